{{ config(materialized='view') }}

with

items as (

    select * from {{ ref('base_fal__typed_catalogue_items') }}

),

keys as (

    select
        account,
        snapshot_date,
        item_id as key_id,
        key_alias,
        key_scope,
        created_at,
        creator_nickname,
        creator_email
    from items
    where source = 'keys' and quarantine_reason is null and occurrence = 1

)

select * from keys
