"""What dbt checks before it parses the project."""
