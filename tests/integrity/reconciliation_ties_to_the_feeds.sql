-- Per account, the months of the reconciliation add up to the total of each feed, to the last digit: the rows of the
-- product lines, and the rows of all lines.
with

reconciled as (

    select
        account,
        product_line = 'all' as is_total,
        coalesce(sum(event_usage_usd), 0) as event_usage_usd,
        coalesce(sum(serverless_usage_usd), 0) as serverless_usage_usd,
        sum(invoiced_total_usd) as invoiced_total_usd,
        coalesce(sum(estimated_usage_usd), 0) as estimated_usage_usd
    from {{ ref('int_charge_months__reconciled') }}
    group by account, product_line = 'all'

),

feeds as (

    select
        account,
        cast(sum(cost_usd) as decimal(38, 18)) as event_usd,
        cast(0 as decimal(38, 18)) as serverless_usd,
        cast(0 as decimal(38, 18)) as invoiced_usd,
        cast(0 as decimal(38, 18)) as estimated_usd
    from {{ ref('int_billing_event_usage__priced') }}
    group by account
    union all
    select
        x_Account as account,
        cast(0 as decimal(38, 18)) as event_usd,
        cast(sum(EffectiveCost) as decimal(38, 18)) as serverless_usd,
        cast(0 as decimal(38, 18)) as invoiced_usd,
        cast(0 as decimal(38, 18)) as estimated_usd
    from {{ ref('int_charges__from_serverless_usage') }}
    group by x_Account
    union all
    select
        account,
        cast(0 as decimal(38, 18)) as event_usd,
        cast(0 as decimal(38, 18)) as serverless_usd,
        cast(sum(BilledCost) as decimal(38, 18)) as invoiced_usd,
        cast(0 as decimal(38, 18)) as estimated_usd
    from {{ ref('stg_fal__focus_invoices') }}
    group by account
    union all
    select
        account,
        cast(0 as decimal(38, 18)) as event_usd,
        cast(0 as decimal(38, 18)) as serverless_usd,
        cast(0 as decimal(38, 18)) as invoiced_usd,
        cast(
            sum(case when {{ is_ordinary_usage() }} then coalesce(EffectiveCost, BilledCost) else 0 end)
            as decimal(38, 18)
        ) as estimated_usd
    from {{ ref('stg_fal__focus_estimates') }}
    where
        {{ utc_date('ChargePeriodStart') }} = landed_date
        and ChargePeriodEnd <= {{ utc_add('day', 1, utc_trunc('day', 'ChargePeriodStart')) }}
    group by account

),

feed_totals as (

    select
        account,
        sum(event_usd) as event_usd,
        sum(serverless_usd) as serverless_usd,
        sum(invoiced_usd) as invoiced_usd,
        sum(estimated_usd) as estimated_usd
    from feeds
    group by account

)

select
    coalesce(feed_totals.account, reconciled.account) as account,
    reconciled.is_total,
    feed_totals.event_usd,
    reconciled.event_usage_usd,
    feed_totals.serverless_usd,
    reconciled.serverless_usage_usd,
    feed_totals.invoiced_usd,
    reconciled.invoiced_total_usd,
    feed_totals.estimated_usd,
    reconciled.estimated_usage_usd
from feed_totals
full outer join reconciled on feed_totals.account = reconciled.account
where
    feed_totals.account is null
    or reconciled.account is null
    or feed_totals.event_usd <> reconciled.event_usage_usd
    or feed_totals.serverless_usd <> reconciled.serverless_usage_usd
    or feed_totals.invoiced_usd <> reconciled.invoiced_total_usd
    or feed_totals.estimated_usd <> reconciled.estimated_usage_usd
