-- The mart ties to the estimates to the last digit. On a day whose usage of a product line comes from the estimate, it
-- has all rows of the line. On other days of an open month, it has the rows that are not ordinary usage. In a closed
-- month it has none of them.
with

csv as (

    select
        estimates.account,
        estimates.landed_date as charge_date,
        sum(coalesce(estimates.EffectiveCost, estimates.BilledCost)) as effective_cost
    from {{ ref('stg_fal__focus_estimates') }} as estimates
    inner join {{ ref('int_report_rows__product_lines') }} as product_lines
        on
            product_lines.charge_source = 'estimate'
            and estimates.account = product_lines.account
            and estimates.landed_date = product_lines.landed_for
            and estimates.record_number = product_lines.record_number
    inner join {{ ref('int_charge_days__sources') }} as days
        on
            estimates.account = days.account
            and estimates.landed_date = days.charge_date
            and product_lines.product_line = days.product_line
    where
        not days.is_month_closed
        and (days.charge_source = 'estimate' or not {{ is_ordinary_usage('estimates') }})
        and {{ utc_date('estimates.ChargePeriodStart') }} = estimates.landed_date
        and estimates.ChargePeriodEnd <= {{ utc_add('day', 1, utc_trunc('day', 'estimates.ChargePeriodStart')) }}
    group by estimates.account, estimates.landed_date

),

mart as (

    select
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        sum(EffectiveCost) as effective_cost
    from {{ ref('cost_and_usage') }}
    where x_ChargeSource = 'estimate'
    group by x_Account, {{ utc_date('ChargePeriodStart') }}

)

select
    csv.account,
    csv.charge_date,
    csv.effective_cost,
    mart.effective_cost as mart_effective_cost
from csv
full outer join mart
    on csv.account = mart.account and csv.charge_date = mart.charge_date
where
    csv.account is null
    or mart.account is null
    or csv.effective_cost <> mart.effective_cost
