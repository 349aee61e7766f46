{{ config(materialized='view') }}

with

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

loads as (

    -- by the row counts of the manifests; a CSV without records has none to read
    select
        account,
        landed_partition,
        source,
        load_id
    from files
    where feed = 'focus_reports'
    group by account, landed_partition, source, load_id
    having sum(landed_rows) > 0

)

select * from loads
