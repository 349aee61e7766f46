{{ config(materialized='view') }}

with

events as (

    select * from {{ ref('stg_fal__billing_events') }}

),

repeated_requests as (

    -- nearly every request has one event, which is all there is to decide about it
    select {{ hash_of(['account', 'charge_date', 'request_id']) }} as request_hash
    from events
    group by {{ hash_of(['account', 'charge_date', 'request_id']) }}
    having count(*) > 1

),

single as (

    select * from events
    where {{ hash_of(['account', 'charge_date', 'request_id']) }} not in (select request_hash from repeated_requests)

),

repeated as (

    select * from events
    where {{ hash_of(['account', 'charge_date', 'request_id']) }} in (select request_hash from repeated_requests)

),

decided as (

    -- Paging is by page number, so rows shift while one pages and an event can be landed twice; late ones can lie in
    -- two partitions. One request on two meters is two events. Where repeats differ in the rest, their values decide,
    -- not where they were landed: landing everything again must not change the bill. The least of these structs has the
    -- greatest cost, then what is known before what is not.
    select
        account,
        charge_date,
        request_id,
        endpoint_id,
        billed_at,
        unit_price_usd,
        output_units,
        misfit_meter,
        min({{ struct({
            'negative_cost_nano_usd': '-cost_nano_usd',
            'has_no_discount': 'percent_discount is null',
            'percent_discount': 'percent_discount',
            'has_no_subtotal': 'cost_subtotal_usd is null',
            'negative_cost_subtotal_usd': '-cost_subtotal_usd',
            'has_no_auth_method': 'auth_method is null',
            'auth_method': 'auth_method',
        }) }}) as chosen
    from repeated
    group by
        -- repeats lie on one day: of a query for some days no others are read
        account,
        charge_date,
        request_id,
        endpoint_id,
        billed_at,
        unit_price_usd,
        output_units,
        misfit_meter

),

once as (

    select
        account,
        charge_date,
        request_id,
        endpoint_id,
        billed_at,
        unit_price_usd,
        output_units,
        auth_method,
        percent_discount,
        cost_nano_usd,
        cost_subtotal_usd,
        true as is_only_event
    from single
    union all
    select
        account,
        charge_date,
        request_id,
        endpoint_id,
        billed_at,
        unit_price_usd,
        output_units,
        chosen.auth_method as auth_method,
        chosen.percent_discount as percent_discount,
        {{ quantity('-chosen.negative_cost_nano_usd') }} as cost_nano_usd,
        {{ money('-chosen.negative_cost_subtotal_usd') }} as cost_subtotal_usd,
        false as is_only_event
    from decided

),

counted as (

    select
        ---------- ids
        account,
        request_id,
        endpoint_id,
        auth_method,

        ---------- quantities and money
        output_units,
        unit_price_usd,
        percent_discount,
        cost_nano_usd,
        cost_subtotal_usd,
        {{ money('cost_nano_usd * cast(0.000000001 as decimal(9, 9))') }} as cost_usd,

        ---------- times (UTC)
        billed_at,
        charge_date,

        ---------- flags
        is_only_event

    from once

)

select * from counted
