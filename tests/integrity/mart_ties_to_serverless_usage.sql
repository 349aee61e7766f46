-- The mart ties to the serverless usage to the last digit. It has the cost of each distinct key of a day, at its
-- greatest, where the usage of the serverless line comes from it, and none of it on other days.
with

distinct_usage as (

    select
        account,
        charge_date,
        max(cost_total_usd) as cost_usd
    from {{ ref('stg_fal__serverless_usage') }}
    group by
        account,
        charge_date,
        app,
        environment,
        machine_type,
        coalesce(is_surge, false),
        case when lower(unit) in ('second', 'seconds') then null else unit end,
        unit_price_usd,
        coalesce(percent_discount, 0),
        misfit_price

),

used as (

    select
        distinct_usage.account,
        distinct_usage.charge_date,
        sum(distinct_usage.cost_usd) as cost_usd
    from distinct_usage
    inner join {{ ref('int_charge_days__sources') }} as days
        on
            distinct_usage.account = days.account
            and distinct_usage.charge_date = days.charge_date
            and days.product_line = 'serverless'
    where days.charge_source = 'serverless_usage'
    group by distinct_usage.account, distinct_usage.charge_date

),

mart as (

    select
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        sum(EffectiveCost) as effective_cost
    from {{ ref('cost_and_usage') }}
    where x_ChargeSource = 'serverless_usage'
    group by x_Account, {{ utc_date('ChargePeriodStart') }}

)

select
    used.account,
    used.charge_date,
    used.cost_usd,
    mart.effective_cost
from used
full outer join mart
    on used.account = mart.account and used.charge_date = mart.charge_date
where
    used.account is null
    or mart.account is null
    or used.cost_usd <> mart.effective_cost
