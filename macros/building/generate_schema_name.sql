{# Overrides the macro of dbt: a schema has the name in dbt_project.yml, such as staging or focus, without a prefix. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
