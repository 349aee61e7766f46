-- What is staged and what counts: as many events as there are different ones, and each at the cost of one of its
-- repeats, the greatest.
{% set days = untested_parts('tested_days', ref('int_event_days')) %}

with

staged as (

    select
        account,
        request_id,
        endpoint_id,
        billed_at,
        unit_price_usd,
        output_units,
        misfit_meter,
        max(cost_nano_usd) as cost_nano_usd
    from {{ ref('stg_fal__billing_events') }}
    where {{ is_in_parts(days, ['account', 'charge_date']) }}
    group by account, request_id, endpoint_id, billed_at, unit_price_usd, output_units, misfit_meter

),

expected as (

    select
        account,
        count(*) as event_count,
        sum(cost_nano_usd) as cost_nano_usd
    from staged
    group by account

),

found as (

    select
        account,
        count(*) as event_count,
        sum(cost_nano_usd) as cost_nano_usd
    from {{ ref('int_billing_events__deduplicated') }}
    where {{ is_in_parts(days, ['account', 'charge_date']) }}
    group by account

)

select
    coalesce(expected.account, found.account) as account,
    expected.event_count,
    found.event_count as found_event_count,
    expected.cost_nano_usd,
    found.cost_nano_usd as found_cost_nano_usd
from expected
full outer join found on expected.account = found.account
where
    expected.account is null
    or found.account is null
    or expected.event_count <> found.event_count
    or expected.cost_nano_usd <> found.cost_nano_usd
