-- A day with usage in events or in an estimate has usage in the mart from any feed, unless its month is closed and the
-- invoice does not bill the day. Both sides are ordinary usage: a day with a credit only has no usage. An estimate row
-- that is not within its own day counts on no day, and warn_estimates_are_within_their_day reports it.
with

charged as (

    select distinct
        account,
        charge_date
    from {{ ref('int_billing_event_usage__priced') }}
    union
    select distinct
        account,
        landed_date as charge_date
    from {{ ref('stg_fal__focus_estimates') }}
    where
        {{ is_ordinary_usage() }}
        and {{ utc_date('ChargePeriodStart') }} = landed_date
        and ChargePeriodEnd <= {{ utc_add('day', 1, utc_trunc('day', 'ChargePeriodStart')) }}

),

mart as (

    select distinct
        x_Account as account,
        x_ChargeSource as charge_source,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        ChargePeriodEnd as period_end
    from {{ ref('cost_and_usage') }}
    where {{ is_ordinary_usage() }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

)

select
    charged.account,
    charged.charge_date
from charged
left join mart
    on
        charged.account = mart.account
        and (
            charged.charge_date = mart.charge_date
            -- a longer row of an invoice covers the day
            or (
                mart.charge_source = 'invoice'
                and charged.charge_date > mart.charge_date
                and charged.charge_date < {{ utc_date('mart.period_end') }}
            )
        )
left join closed_months
    on
        charged.account = closed_months.account
        and {{ month_of('charged.charge_date') }} = closed_months.charge_month
group by charged.account, charged.charge_date
having count(mart.account) = 0 and count(closed_months.account) = 0
