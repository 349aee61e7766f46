{{
    config(
        materialized='incremental',
        incremental_strategy='parts',
        unique_key=['account', 'landed_date', 'landed_team', 'load_id'],
        meta={'parts_of': 'stg_fal__billing_event_loads'},
    )
}}

with

events as (

    select * from {{ ref('base_fal__typed_billing_events') }}
    where {{ is_in_parts(
        parts_to_build(ref('stg_fal__billing_event_loads')), ['account', 'landed_date', 'landed_team', 'load_id']
    ) }}

),

days as (

    select
        account,
        landed_date,
        landed_team,
        load_id,
        charge_date,
        count(*) as landed_events,
        count(case when quarantine_reason is null then 1 end) as usable_events
    from events
    group by account, landed_date, landed_team, load_id, charge_date

)

select * from days
