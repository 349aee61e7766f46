{{ config(materialized='view') }}

with

items as (

    select * from {{ ref('base_fal__typed_catalogue_items') }}

),

prices as (

    select
        account,
        snapshot_date,
        item_id as endpoint_id,
        unit,
        unit_price_usd,
        currency
    from items
    where source = 'pricing' and quarantine_reason is null and occurrence = 1

)

select * from prices
