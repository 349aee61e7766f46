{# Schemas are named as they stand in dbt_project.yml (staging, intermediate, focus, finops, seeds), without a prefix. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
