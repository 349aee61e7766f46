{#
    A CTE that repeats a select until it returns no rows, below `with recursive`:
    {% call(previous) recursive_cte('name', start='a_cte', most_steps=3) %} select ... from {{ previous }} {% endcall %}

    start: the CTE with the first rows. most_steps: how often the select can return rows; only Spark needs it. Spark
    allows no window function in a recursive term (INVALID_RECURSIVE_REFERENCE.PLACE). There the text repeats the
    select.
#}
{% macro recursive_cte(name, start, most_steps) -%}
    {{ return(adapter.dispatch('recursive_cte')(name, start, most_steps, caller)) }}
{%- endmacro %}

{% macro duckdb__recursive_cte(name, start, most_steps, step) -%}
{{ name }} as (

    select * from {{ start }}
    union all
    (
    {{ step(name) }}
    )

)
{%- endmacro %}

{% macro spark__recursive_cte(name, start, most_steps, step) -%}
{%- for number in range(1, most_steps + 1) -%}
{{ name }}_{{ number }} as (

    {{ step(start if loop.first else name ~ '_' ~ (number - 1)) }}

),

{% endfor -%}
{{ name }} as (

    select * from {{ start }}
    {%- for number in range(1, most_steps + 1) %}
    union all
    select * from {{ name }}_{{ number }}
    {%- endfor %}

)
{%- endmacro %}
