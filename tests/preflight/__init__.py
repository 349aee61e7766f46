"""Tests of the checks that run before dbt parses the project."""
