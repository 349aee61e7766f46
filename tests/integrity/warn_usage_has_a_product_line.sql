-- Estimated usage without a product line that is set aside, because another feed of its day can contain it too. If it is
-- usage of Compute, or of another line that the other feeds of the day lack, the bill is too low by the amount. Add a
-- pattern for the values below to seeds/fal_product_lines.csv: it gives the rows a line, so that they count once.
{{ config(severity='warn') }}

select
    charges.x_Account as account,
    days.charge_date,
    {{ plain_decimal('sum(charges.EffectiveCost)') }} as set_aside_usd,
    count(*) as row_count,
    max(charges.SkuId) as sku_id,
    max(charges.ResourceId) as resource_id,
    max(case when not {{ is_added_to_row('ServiceName') }} then charges.ServiceName end) as service_name
from {{ ref('int_charges__from_focus_reports') }} as charges
inner join {{ ref('int_charge_days__sources') }} as days
    on
        charges.x_Account = days.account
        and {{ utc_date('charges.ChargePeriodStart') }} = days.charge_date
        and charges.x_ProductLine = days.product_line
where
    days.is_set_aside
    and charges.x_ChargeSource = 'estimate'
    and charges.is_of_its_day
    and {{ is_ordinary_usage('charges') }}
group by charges.x_Account, days.charge_date
