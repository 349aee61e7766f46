{# The least difference from the expectation on a day with an anomaly: USD, as a double. #}
{% macro least_anomaly_usd() -%} 5e0 {%- endmacro %}

{#
    A double rounded to a decimal, halves up. A cast rounds some halves differently on Spark.
#}
{% macro rounded_double(number, decimals) -%}
    cast(
        cast(floor({{ number }} * 1e{{ decimals }} + 0.5e0) as bigint)
        * cast(1e-{{ decimals }} as decimal(9, {{ decimals }}))
        as decimal(38, {{ decimals }})
    )
{%- endmacro %}
