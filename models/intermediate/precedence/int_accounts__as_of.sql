with

known_days as (

    select * from {{ ref('int_charge_days__known') }}

),

as_of as (

    -- The data decides, not the clock: the same landing zone always builds the same marts.
    select
        account,
        {% if var('fal_as_of', none) -%}
        cast({{ sql_text(var('fal_as_of')) }} as date)
        {%- else -%}
        {{ utc_date(utc_add('day', 1, 'max(charge_date)')) }}
        {%- endif %} as as_of
    from known_days
    group by account

)

select * from as_of
