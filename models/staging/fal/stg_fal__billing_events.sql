{{ config(materialized='view') }}

with

events as (

    select * from {{ ref('base_fal__typed_billing_events') }}

),

usable as (

    select
        ---------- ids
        account,
        request_id,
        endpoint_id,
        auth_method,
        api_key_id,
        login_username,
        team_username,

        ---------- quantities and money
        output_units,
        unit_price_usd,
        percent_discount,
        cost_nano_usd,
        cost_subtotal_usd,

        ---------- why the meter does not fit, and its units and price as landed
        misfit_reason,
        misfit_meter,

        ---------- times (UTC)
        billed_at,
        charge_date,

        ---------- where it was landed
        landed_date,
        landed_team,
        load_id,
        landed_file,
        event_number

    from events
    where quarantine_reason is null

)

select * from usable
