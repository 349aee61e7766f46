{# The value of FOCUS that a column contains in any case, null if it is not among the allowed values. #}
{% macro focus_value(column, allowed) -%}
    case lower({{ column }})
        {%- for value in allowed %}
        when '{{ value | lower }}' then '{{ value }}'
        {%- endfor %}
    end
{%- endmacro %}

{# Whether this project filled a column of a row from a file of the provider. #}
{% macro is_added_to_row(column) -%}
    coalesce(x_Repairs like '%"{{ column }}"%', false)
{%- endmacro %}

{#
    Whether a row is usage that no other row of an invoice charges too. A correction refers to usage that another row
    charges.
#}
{% macro is_ordinary_usage(relation=none) -%}
    {%- set row = relation ~ '.' if relation else '' -%}
    ({{ row }}ChargeCategory = 'Usage' and {{ row }}ChargeClass is null)
{%- endmacro %}

{#
    Whether a row of an estimate starts and ends within the day that the estimate was requested for. Rows of another day
    count in the estimate of that day.
#}
{% macro is_of_its_day(relation=none) -%}
    {%- set row = relation ~ '.' if relation else '' -%}
    coalesce(
        {{ utc_date(row ~ 'ChargePeriodStart') }} = {{ row }}landed_date
        and {{ row }}ChargePeriodEnd <= {{ utc_add('day', 1, utc_trunc('day', row ~ 'ChargePeriodStart')) }},
        false
    )
{%- endmacro %}
