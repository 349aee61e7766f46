{#
    Whether a row of an estimate counts for the day that the estimate was requested for: it starts and ends within the day.
    Rows of another day count in the estimate of that day.
#}
{% macro is_of_its_day() -%}
    coalesce(
        {{ utc_date('ChargePeriodStart') }} = landed_date
        and ChargePeriodEnd <= {{ utc_add('day', 1, utc_trunc('day', 'ChargePeriodStart')) }},
        false
    )
{%- endmacro %}
