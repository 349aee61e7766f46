-- A charge counts once. The mart has no usage from events, serverless usage or estimates in a closed month, nor on a
-- day that an invoice covers for the product line: a day on which an invoice row of at most a day starts, or a day
-- within a longer row. No product line has usage of a day from two feeds. Usage without a product line can be usage of
-- any line, so the estimate has it only on a day without another feed.
with

usage as (

    select
        x_Account as account,
        x_ChargeSource as charge_source,
        x_ProductLine as product_line,
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
        product_line,
        charge_date,
        {{ utc_trunc('day', 'period_start') }} as day_start
    from usage
    where charge_source in ('billing_events', 'serverless_usage', 'estimate')

),

invoiced as (

    select distinct
        account,
        product_line,
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
            and unbilled.product_line in (invoiced.product_line, {{ unattributed() }})
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
        'comes from two feeds' as finding
    from unbilled
    group by account, charge_date, product_line
    having count(distinct charge_source) > 1

),

of_no_line as (

    select
        account,
        charge_date,
        'has estimated usage without a product line beside another feed' as finding
    from unbilled
    group by account, charge_date
    having
        max(case when charge_source = 'estimate' and product_line = {{ unattributed() }} then 1 else 0 end) = 1
        and max(case when charge_source <> 'estimate' then 1 else 0 end) = 1

)

select * from invoiced_too
union all
select * from in_a_closed_month
union all
select * from from_two_feeds
union all
select * from of_no_line
