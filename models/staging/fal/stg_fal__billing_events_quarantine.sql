{{ config(materialized='view') }}

with

events as (

    select * from {{ ref('base_fal__typed_billing_events') }}

),

unusable as (

    select
        account,
        landed_date,
        landed_team,
        load_id,
        landed_file,
        event_number,
        quarantine_reason,
        raw_event

    from events
    where quarantine_reason is not null

)

select * from unusable
