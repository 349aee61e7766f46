-- A charge counts once. The mart has no usage from events or estimates in a closed month, nor on a day that an invoice
-- covers: a day on which an invoice row of at most a day starts, or a day within a longer row. No day has usage
-- from both events and the estimate.
with

usage as (

    select
        x_Account as account,
        x_ChargeSource as charge_source,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        ChargePeriodStart as period_start,
        ChargePeriodEnd as period_end
    from {{ ref('cost_and_usage') }}
    where {{ is_ordinary_usage() }}

),

unbilled as (

    select distinct
        account,
        charge_source,
        charge_date,
        {{ utc_trunc('day', 'period_start') }} as day_start
    from usage
    where charge_source in ('billing_events', 'estimate')

),

invoiced as (

    select
        account,
        period_start,
        period_end,
        charge_date
    from usage
    where charge_source = 'invoice'

),

invoiced_too as (

    select
        unbilled.account,
        unbilled.charge_date,
        'an invoice has it too' as finding
    from unbilled
    inner join invoiced
        on
            unbilled.account = invoiced.account
            and case
                when invoiced.period_end <= {{ utc_add('day', 1, 'invoiced.period_start') }}
                    then unbilled.charge_date = invoiced.charge_date
                else
                    unbilled.day_start >= invoiced.period_start
                    and {{ utc_add('day', 1, 'unbilled.day_start') }} <= invoiced.period_end
            end

),

in_a_closed_month as (

    select
        unbilled.account,
        unbilled.charge_date,
        'is in a closed month' as finding
    from unbilled
    inner join {{ ref('int_charge_months__closed') }} as closed
        on unbilled.account = closed.account and {{ month_of('unbilled.charge_date') }} = closed.charge_month

),

from_two_feeds as (

    select
        account,
        charge_date,
        'comes from events and from the estimate' as finding
    from unbilled
    group by account, charge_date
    having count(distinct charge_source) > 1

)

select * from invoiced_too
union all
select * from in_a_closed_month
union all
select * from from_two_feeds
