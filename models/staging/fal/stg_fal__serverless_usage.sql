{{ config(materialized='view') }}

with

usage_rows as (

    select * from {{ ref('base_fal__typed_serverless_usage') }}

),

usable as (

    select
        ---------- ids
        account,
        charge_date,
        app,
        environment,
        machine_type,
        is_surge,

        ---------- quantities and money
        unit,
        quantity,
        unit_price_usd,
        percent_discount,
        cost_subtotal_usd,
        cost_discount_usd,
        cost_total_usd,

        ---------- why the quantity cannot be priced
        misfit_reason,
        misfit_price,

        ---------- where it was landed
        landed_date,
        load_id,
        landed_file,
        row_number

    from usage_rows
    where quarantine_reason is null

)

select * from usable
