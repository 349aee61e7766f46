{{ config(materialized='view') }}

with

records as (

    select * from {{ ref('base_fal__typed_focus_reports') }}

),

unusable as (

    select
        account,
        cast(landed_partition as date) as landed_date,
        load_id,
        landed_file,
        record_number,
        quarantine_reason,
        raw_record

    from records
    where source = 'estimate' and quarantine_reason is not null

)

select * from unusable
