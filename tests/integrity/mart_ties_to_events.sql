-- The mart ties to the events to the nano-dollar. It has their cost on the days whose usage comes from events, and no
-- cost of events on other days.
with

events as (

    select
        events.account,
        events.charge_date,
        sum(events.cost_usd) as cost_usd
    from {{ ref('int_billing_event_usage__priced') }} as events
    inner join {{ ref('int_charge_days__sources') }} as days
        on
            events.account = days.account
            and events.charge_date = days.charge_date
            and days.product_line = 'model_apis'
    where days.charge_source = 'billing_events'
    group by events.account, events.charge_date

),

mart as (

    select
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        sum(EffectiveCost) as effective_cost
    from {{ ref('cost_and_usage') }}
    where x_ChargeSource = 'billing_events'
    group by x_Account, {{ utc_date('ChargePeriodStart') }}

)

select
    events.account,
    events.charge_date,
    events.cost_usd,
    mart.effective_cost
from events
full outer join mart
    on events.account = mart.account and events.charge_date = mart.charge_date
where
    events.account is null
    or mart.account is null
    or events.cost_usd <> mart.effective_cost
