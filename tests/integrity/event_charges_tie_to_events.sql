-- To the nano-dollar: what the events of an account and day cost is what their charges cost.
{% set days = untested_parts('tested_days', ref('int_event_days')) %}

with

events as (

    select
        account,
        charge_date,
        sum(cost_nano_usd) as cost_nano_usd
    from {{ ref('int_billing_events__deduplicated') }}
    where {{ is_in_parts(days, ['account', 'charge_date']) }}
    group by account, charge_date

),

charges as (

    select
        account,
        charge_date,
        sum(cost_usd) as cost_usd
    from {{ ref('int_charges__of_event_days') }}
    where {{ is_in_parts(days, ['account', 'charge_date']) }}
    group by account, charge_date

)

select
    events.account,
    events.charge_date,
    events.cost_nano_usd,
    charges.cost_usd
from events
full outer join charges
    on events.account = charges.account and events.charge_date = charges.charge_date
where
    events.account is null
    or charges.account is null
    or events.cost_nano_usd <> charges.cost_usd * 1000000000
