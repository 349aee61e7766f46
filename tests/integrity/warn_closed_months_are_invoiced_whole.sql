-- Days with events or serverless usage in a closed month that no usage of their product line on an invoice covers. They
-- do not count, because the invoice is the bill. The invoice may be partial: land it again, or ask fal for the missing
-- rows.
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
