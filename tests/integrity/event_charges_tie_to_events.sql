-- To the nano-dollar: what the events of an account and day cost is what their charges cost.
with

events as (

    select
        account,
        charge_date,
        sum(cost_nano_usd) as cost_nano_usd
    from {{ ref('int_billing_events__deduplicated') }}
    group by account, charge_date

),

charges as (

    select
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        sum(EffectiveCost) as effective_cost
    from {{ ref('int_charges__from_billing_events') }}
    group by x_Account, {{ utc_date('ChargePeriodStart') }}

)

select
    events.account,
    events.charge_date,
    events.cost_nano_usd,
    charges.effective_cost
from events
full outer join charges
    on events.account = charges.account and events.charge_date = charges.charge_date
where
    events.account is null
    or charges.account is null
    or events.cost_nano_usd <> charges.effective_cost * 1000000000
