{#- the last complete day, and 24 earlier ones at intervals of 5, which have each weekday equally often -#}
{%- set past_origins = 24 -%}
{%- set interval_days = 5 -%}
{%- set least_days = 14 -%}
{%- set window_days = 182 -%}

with

series as (

    select * from {{ ref('int_costs__series') }}

),

complete_days as (

    select
        series_number,
        day_number,
        max(day_number) over (partition by series_number) as last_number,
        count(*) over (
            partition by series_number
            order by day_number
            range between {{ window_days - 1 }} preceding and current row
        ) as learned_days,
        min(charge_date) over (
            partition by series_number
            order by day_number
            range between {{ window_days - 1 }} preceding and current row
        ) as learned_from
    from series
    where is_complete

),

origins as (

    select
        series_number,
        day_number as origin,
        cast((last_number - day_number) / {{ interval_days }} as integer) as origin_number,
        last_number,
        learned_from,
        learned_days
    from complete_days
    where
        learned_days >= {{ least_days }}
        and (last_number - day_number) % {{ interval_days }} = 0
        and last_number - day_number <= {{ past_origins * interval_days }}

)

select * from origins
