-- To the nano-dollar: of what is staged for an account and day, as many events are charged as there are different ones,
-- each at the cost of one of its repeats, the greatest. A hash tells texts apart, which takes half the time: two that
-- shared one would be found here, not hidden.
{% set days = untested_parts('tested_days', ref('int_event_days')) %}

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

staged as (

    select
        account,
        charge_date,
        count(*) as event_count,
        sum(cost_nano_usd) as cost_nano_usd
    from events
    group by account, charge_date

),

charged as (

    select
        account,
        charge_date,
        sum(event_count) as event_count,
        sum(cost_usd) as cost_usd
    from {{ ref('int_charges__of_event_days') }}
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
