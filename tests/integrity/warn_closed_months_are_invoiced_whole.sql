-- Days with events in a closed month that no usage on an invoice covers. These events do not count, because the
-- invoice is the bill. The invoice may be partial: land it again, or ask fal for the missing rows.
{{ config(severity='warn') }}

select
    days.account,
    days.charge_month,
    count(distinct days.charge_date) as days_not_invoiced,
    min(days.charge_date) as first_day,
    max(days.charge_date) as last_day,
    {{ plain_decimal('sum(charges.cost_usd)') }} as event_usage_not_invoiced_usd
from {{ ref('int_charge_days__sources') }} as days
inner join {{ ref('int_billing_event_usage__priced') }} as charges
    on days.account = charges.account and days.charge_date = charges.charge_date
where days.is_month_closed and not days.is_invoiced
group by days.account, days.charge_month
having sum(charges.cost_usd) <> 0
