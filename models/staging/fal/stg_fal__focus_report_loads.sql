{{ config(materialized='view') }}

with

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

loads as (

    -- A CSV without records is read in each build, because its rows in the manifest could be wrong.
    select distinct
        account,
        landed_partition,
        source,
        load_id
    from files
    where feed = 'focus_reports'

)

select * from loads
