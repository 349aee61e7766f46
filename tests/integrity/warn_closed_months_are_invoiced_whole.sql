-- Days with usage in a closed month that no usage of their product line on an invoice covers. They do not count, because
-- the invoice is the bill. The invoice may be partial: land it again, or ask fal for the missing rows. The usage is that
-- of events and serverless usage, and of an estimate where the product line has no other feed, such as Compute.
{{ config(severity='warn') }}

with

charges as (

    select
        account,
        charge_date,
        'model_apis' as product_line,
        cost_usd
    from {{ ref('int_billing_event_usage__priced') }}
    union all
    select
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        x_ProductLine as product_line,
        EffectiveCost as cost_usd
    from {{ ref('int_charges__from_serverless_usage') }}
    union all
    select
        estimates.x_Account as account,
        days.charge_date,
        estimates.x_ProductLine as product_line,
        estimates.EffectiveCost as cost_usd
    from {{ ref('int_charges__from_focus_reports') }} as estimates
    inner join {{ ref('int_charge_days__sources') }} as days
        on
            estimates.x_Account = days.account
            and {{ utc_date('estimates.ChargePeriodStart') }} = days.charge_date
            and estimates.x_ProductLine = days.product_line
    where
        estimates.x_ChargeSource = 'estimate'
        and estimates.is_of_its_day
        and {{ is_ordinary_usage('estimates') }}
        and not (days.has_events or days.has_serverless_usage)
        -- usage without a product line can be that of any line on the invoice
        and days.product_line <> {{ unattributed() }}

)

select
    days.account,
    days.charge_month,
    days.product_line,
    count(distinct days.charge_date) as days_not_invoiced,
    min(days.charge_date) as first_day,
    max(days.charge_date) as last_day,
    {{ plain_decimal('sum(charges.cost_usd)') }} as usage_not_invoiced_usd
from {{ ref('int_charge_days__sources') }} as days
inner join charges
    on
        days.account = charges.account
        and days.charge_date = charges.charge_date
        and days.product_line = charges.product_line
where days.is_month_closed and not days.is_invoiced
group by days.account, days.charge_month, days.product_line
having sum(charges.cost_usd) <> 0
