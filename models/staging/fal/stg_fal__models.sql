{{ config(materialized='view') }}

with

items as (

    select * from {{ ref('base_fal__typed_catalogue_items') }}

),

models as (

    select
        account,
        snapshot_date,
        item_id as endpoint_id,
        display_name,
        modality,
        model_status,
        license_type,
        kind
    from items
    where source = 'models' and quarantine_reason is null and occurrence = 1

)

select * from models
