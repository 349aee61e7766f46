{%- set grain = var('fal_charge_grain') -%}
{%- if grain not in ['day', 'hour'] -%}
    {{ exceptions.raise_compiler_error("var fal_charge_grain is '" ~ grain ~ "': say day or hour") }}
{%- endif -%}

with

landed_days as (

    select * from {{ ref('stg_fal__billing_event_days') }}
    where usable_events > 0

),

days as (

    -- Repeats of an event have the same time, so the usage of a day depends only on the loads that hold its events.
    select
        account,
        charge_date,
        '{{ grain }} of ' || {{ text_list_agg(
            "concat_ws('/', cast(landed_date as " ~ dbt.type_string() ~ "), nullif(landed_team, ''), load_id)"
        ) }} as day_version
    from landed_days
    group by account, charge_date

)

select * from days
