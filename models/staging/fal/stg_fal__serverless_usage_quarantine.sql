{{ config(materialized='view') }}

with

usage_rows as (

    select * from {{ ref('base_fal__typed_serverless_usage') }}

),

unusable as (

    select
        account,
        landed_date,
        load_id,
        landed_file,
        row_number,
        cost_total_usd,
        quarantine_reason,
        raw_result

    from usage_rows
    where quarantine_reason is not null

)

select * from unusable
