{{ config(materialized='view') }}

{#-
    Nearly every request has one event on a day, which needs no decision. The subquery is in two places because DuckDB
    materializes a CTE that is read twice, and then a filter by account and day does not reach it.
-#}
{%- set repeated_requests -%}
    (
        select
            account,
            charge_date,
            {{ hash_of(['request_id']) }} as request_hash
        from {{ ref('stg_fal__billing_events') }}
        group by account, charge_date, {{ hash_of(['request_id']) }}
        having count(*) > 1
    )
{%- endset %}

with

single as (

    select events.*
    from {{ ref('stg_fal__billing_events') }} as events
    left join {{ repeated_requests }} as repeated_requests
        on
            events.account = repeated_requests.account
            and events.charge_date = repeated_requests.charge_date
            and {{ hash_of(['events.request_id']) }} = repeated_requests.request_hash
    where repeated_requests.request_hash is null

),

repeated as (

    select
        events.*,
        (events.output_units is not null and events.unit_price_usd is not null) or events.misfit_meter is not null
            as has_meter
    from {{ ref('stg_fal__billing_events') }} as events
    inner join {{ repeated_requests }} as repeated_requests
        on
            events.account = repeated_requests.account
            and events.charge_date = repeated_requests.charge_date
            and {{ hash_of(['events.request_id']) }} = repeated_requests.request_hash

),

decided as (

    -- Account, request, endpoint, time, price and units identify an event, so one request on two meters is two events.
    -- An event can land twice: rows shift between pages while the loader fetches them, and a late event can be in two
    -- partitions. If repeats differ in other columns, their values decide and not their files, so that a new load
    -- does not change the bill. The least of these structs has the greatest cost, and known values before null.
    select
        account,
        charge_date,
        request_id,
        endpoint_id,
        billed_at,
        unit_price_usd,
        output_units,
        misfit_meter,
        has_meter,
        min({{ struct({
            'negative_cost_nano_usd': '-cost_nano_usd',
            'has_no_discount': 'percent_discount is null',
            'percent_discount': 'percent_discount',
            'has_no_subtotal': 'cost_subtotal_usd is null',
            'negative_cost_subtotal_usd': '-cost_subtotal_usd',
            'has_no_auth_method': 'auth_method is null',
            'auth_method': 'auth_method',
        }) }}) as kept_values,
        -- a request has one key and one team, which older loads and other pages may lack
        min(api_key_id) as api_key_id,
        min(login_username) as login_username,
        min(team_username) as team_username
    from repeated
    group by
        -- Repeats are on one day. The day lets a filter on days reach the scan.
        account,
        charge_date,
        request_id,
        endpoint_id,
        billed_at,
        unit_price_usd,
        output_units,
        misfit_meter,
        has_meter

),

metered as (

    select distinct
        account,
        charge_date,
        request_id,
        endpoint_id,
        billed_at,
        cost_nano_usd
    from repeated
    where has_meter

),

decided_with_cost as (

    select
        *,
        {{ quantity('-kept_values.negative_cost_nano_usd') }} as cost_nano_usd
    from decided

),

metered_once as (

    -- fal may state an event once without units or price and once with both. It is charged once.
    select decided_with_cost.*
    from decided_with_cost
    left join metered
        on
            decided_with_cost.account = metered.account
            and decided_with_cost.charge_date = metered.charge_date
            and decided_with_cost.request_id = metered.request_id
            and decided_with_cost.endpoint_id = metered.endpoint_id
            and decided_with_cost.billed_at = metered.billed_at
            and decided_with_cost.cost_nano_usd = metered.cost_nano_usd
    where decided_with_cost.has_meter or metered.account is null

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
        api_key_id,
        login_username,
        team_username,
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
        kept_values.auth_method,
        api_key_id,
        login_username,
        team_username,
        kept_values.percent_discount,
        cost_nano_usd,
        {{ money('-kept_values.negative_cost_subtotal_usd') }} as cost_subtotal_usd,
        false as is_only_event
    from metered_once

),

counted as (

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
        {{ money('cost_nano_usd * cast(0.000000001 as decimal(9, 9))') }} as cost_usd,

        ---------- times (UTC)
        billed_at,
        charge_date,

        ---------- flags
        is_only_event

    from once

)

select * from counted
