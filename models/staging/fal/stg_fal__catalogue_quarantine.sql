{{ config(materialized='view') }}

with

items as (

    select * from {{ ref('base_fal__typed_catalogue_items') }}

),

unusable as (

    select
        account,
        source,
        snapshot_date,
        load_id,
        landed_file,
        item_number,
        quarantine_reason,
        raw_item

    from items
    where quarantine_reason is not null

)

select * from unusable
