{{ config(materialized='view') }}

with

items as (

    select * from {{ ref('base_fal__typed_catalogue_items') }}

),

teams as (

    select
        account,
        snapshot_date,
        item_id as team_username,
        team_name,
        is_org_root,
        created_at
    from items
    where source = 'teams' and quarantine_reason is null and occurrence = 1

)

select * from teams
