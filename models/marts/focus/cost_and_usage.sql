{%- set columns = dict(focus_columns(), **focus_custom_columns()) -%}

with

charges as (

    select * from {{ ref('int_charges__by_precedence') }}

),

cost_and_usage as (

    select
        {%- for column, kind in columns.items() %}
        cast({{ column }} as {{ focus_type(kind) }}) as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from charges

)

select * from cost_and_usage
