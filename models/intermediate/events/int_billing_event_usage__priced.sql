{{
    config(
        materialized='incremental',
        incremental_strategy='parts',
        unique_key=['account', 'charge_date', 'day_version'],
        meta={'parts_of': 'int_billing_event_days__versions'},
    )
}}

with

days as (

    select * from {{ ref('int_billing_event_days__versions') }}

),

events as (

    select * from {{ ref('int_billing_events__deduplicated') }}
    where {{ is_in_parts(parts_to_build(ref('int_billing_event_days__versions')), ['account', 'charge_date']) }}

),

metered as (

    select
        *,
        unit_price_usd is not null and output_units is not null as is_metered
    from events

),

priced as (

    select
        account,
        charge_date,
        -- Only these ids need a count of distinct values, which is slow. Every other event has a request of its own.
        case when not is_only_event then request_id end as repeated_request_id,
        endpoint_id,
        auth_method,
        api_key_id,
        login_username,
        team_username,
        cost_usd,
        {{ utc_trunc(var('fal_charge_grain'), 'billed_at') }} as charge_period_start,
        is_metered,
        output_units is not null as has_units,
        {{ event_prices() }},
        coalesce(output_units, {{ quantity(1) }}) as consumed_quantity
    from metered

),

by_request as (

    select
        account,
        charge_date,
        charge_period_start,
        endpoint_id,
        auth_method,
        api_key_id,
        login_username,
        team_username,
        is_metered,
        has_units,
        list_unit_price,
        percent_discount,
        repeated_request_id,
        sum(pricing_quantity) as pricing_quantity,
        sum(consumed_quantity) as consumed_quantity,
        sum(cost_usd) as cost_usd,
        count(*) as event_count
    from priced
    group by
        account,
        charge_date,
        charge_period_start,
        endpoint_id,
        auth_method,
        api_key_id,
        login_username,
        team_username,
        is_metered,
        has_units,
        list_unit_price,
        percent_discount,
        repeated_request_id

),

charges as (

    select
        account,
        charge_date,
        charge_period_start,
        endpoint_id,
        auth_method,
        api_key_id,
        login_username,
        team_username,
        is_metered,
        has_units,
        list_unit_price,
        percent_discount,
        {{ discounted('list_unit_price', 'percent_discount') }} as contracted_unit_price,
        {{ quantity('sum(pricing_quantity)') }} as pricing_quantity,
        {{ quantity('sum(consumed_quantity)') }} as consumed_quantity,
        {{ money('sum(cost_usd)') }} as cost_usd,
        cast(sum(case when repeated_request_id is null then event_count else 1 end) as bigint) as request_count,
        cast(sum(event_count) as bigint) as event_count
    from by_request
    group by
        account,
        charge_date,
        charge_period_start,
        endpoint_id,
        auth_method,
        api_key_id,
        login_username,
        team_username,
        is_metered,
        has_units,
        list_unit_price,
        percent_discount

),

of_days as (

    select
        charges.*,
        days.day_version
    from charges
    inner join days on charges.account = days.account and charges.charge_date = days.charge_date

)

select * from of_days
{{ in_order_of_parts(['account', 'charge_date']) }}
