-- Estimated usage without a product line that is set aside, because another feed of its day can contain it too. If it
-- is usage of Compute, or of another line that the other feeds of the day lack, the bill is too low by the amount. Add
-- a pattern for the value to seeds/fal_product_lines.csv: it gives the rows a line, so that they count once.
{{ config(severity='warn') }}

with

set_aside as (

    select
        charges.x_Account as account,
        days.charge_date,
        charges.EffectiveCost as effective_cost,
        {{ value_for_pattern('charges') }} as landed_value
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

)

select
    account,
    min(charge_date) as first_day,
    max(charge_date) as last_day,
    {{ plain_decimal('sum(effective_cost)') }} as unattributed_usage_usd,
    'add a pattern to seeds/fal_product_lines.csv for ' || landed_value as finding
from set_aside
group by account, landed_value
