{# Budgets: their thresholds and tags. #}

{# The form of thresholds: percents, separated by semicolons. #}
{% macro percent_list_pattern() %}
    {%- set percent = ' *[0-9]{1,6}([.][0-9]{1,4})? *' -%}
    {{ return(percent ~ '(;' ~ percent ~ ')*') }}
{% endmacro %}

{# A key of a tag in the spelling that comparisons use. The spelling of an invoice may differ from that of a seed. #}
{% macro comparable_key(key) -%} lower({{ pascal_case(key) }}) {%- endmacro %}
