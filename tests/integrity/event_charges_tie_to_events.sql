-- The charges of an account and day tie to its staged events to the nano-dollar. Each distinct event is charged once,
-- at the greatest cost of its repeats. An event without units or price is not charged if another event of the same
-- request, endpoint, time and cost has both. Texts are compared by a hash, which takes half the time. Two texts with
-- the same hash would fail this test.
{% set days = untested_parts('tested_event_days', ref('int_billing_event_days__versions')) %}

with

events as (

    select
        account,
        charge_date,
        max(cost_nano_usd) as cost_nano_usd
    from {{ ref('stg_fal__billing_events') }}
    where {{ is_in_parts(days, ['account', 'charge_date']) }}
    group by
        account,
        charge_date,
        billed_at,
        unit_price_usd,
        output_units,
        {{ hash_of(['request_id', 'endpoint_id', 'misfit_meter']) }}

),

without_meter as (

    select
        account,
        charge_date,
        request_id,
        endpoint_id,
        billed_at,
        output_units,
        unit_price_usd,
        max(cost_nano_usd) as cost_nano_usd
    from {{ ref('stg_fal__billing_events') }}
    where
        {{ is_in_parts(days, ['account', 'charge_date']) }}
        and (output_units is null or unit_price_usd is null)
        and misfit_meter is null
    group by account, charge_date, request_id, endpoint_id, billed_at, output_units, unit_price_usd

),

stated_with_meter as (

    -- a join, not an exists, so that DuckDB keeps the few events without a meter in memory and not the others
    select distinct without_meter.*
    from {{ ref('stg_fal__billing_events') }} as events
    inner join without_meter
        on
            events.account = without_meter.account
            and events.charge_date = without_meter.charge_date
            and events.request_id = without_meter.request_id
            and events.endpoint_id = without_meter.endpoint_id
            and events.billed_at = without_meter.billed_at
            and events.cost_nano_usd = without_meter.cost_nano_usd
    where (events.output_units is not null and events.unit_price_usd is not null) or events.misfit_meter is not null

),

counted as (

    select
        account,
        charge_date,
        1 as event_count,
        cost_nano_usd
    from events
    union all
    select
        account,
        charge_date,
        -1 as event_count,
        -cost_nano_usd as cost_nano_usd
    from stated_with_meter

),

staged as (

    select
        account,
        charge_date,
        sum(event_count) as event_count,
        sum(cost_nano_usd) as cost_nano_usd
    from counted
    group by account, charge_date

),

charged as (

    select
        account,
        charge_date,
        sum(event_count) as event_count,
        sum(cost_usd) as cost_usd
    from {{ ref('int_billing_event_usage__priced') }}
    where {{ is_in_parts(days, ['account', 'charge_date']) }}
    group by account, charge_date

)

select
    coalesce(staged.account, charged.account) as account,
    coalesce(staged.charge_date, charged.charge_date) as charge_date,
    staged.event_count,
    charged.event_count as charged_event_count,
    staged.cost_nano_usd,
    charged.cost_usd
from staged
full outer join charged
    on staged.account = charged.account and staged.charge_date = charged.charge_date
where
    staged.account is null
    or charged.account is null
    or staged.event_count <> charged.event_count
    or staged.cost_nano_usd <> charged.cost_usd * 1000000000
