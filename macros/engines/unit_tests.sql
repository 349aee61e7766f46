{# dbt-spark leaves backslashes as they are in the texts of unit tests, where Spark reads them as escapes #}
{% macro spark__escape_single_quotes(expression) -%}
    {{ expression | replace("\\", "\\\\") | replace("'", "\\'") }}
{%- endmacro %}
