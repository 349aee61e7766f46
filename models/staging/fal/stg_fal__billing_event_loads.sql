{{ config(materialized='view') }}

with

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

loads as (

    -- by the row counts of the manifests; a day without events has no page to read
    select
        account,
        cast(landed_partition as date) as landed_date,
        coalesce(source, '') as landed_team,
        load_id
    from files
    where feed = 'billing_events'
    group by account, landed_partition, source, load_id
    having sum(landed_rows) > 0

)

select * from loads
