{{ config(materialized='view') }}

with

items as (

    select * from {{ ref('base_fal__typed_catalogue_items') }}

),

files as (

    select * from {{ ref('stg_fal__landed_files') }}
    where feed = 'catalogue' and source = 'balance'

),

balances as (

    select
        items.account,
        items.snapshot_date,
        files.fetched_at,
        items.item_id as username,
        items.current_balance,
        items.currency
    from items
    inner join files
        on
            items.account = files.account
            and items.snapshot_date = cast(files.landed_partition as date)
            and items.load_id = files.load_id
            and items.landed_file = files.landed_file
    where items.source = 'balance' and items.quarantine_reason is null and items.occurrence = 1

)

select * from balances
