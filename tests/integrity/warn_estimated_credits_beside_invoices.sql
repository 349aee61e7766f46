-- Estimate rows other than ordinary usage, on days of an open month that an invoice covers. These rows count, and so
-- do all rows of the invoice. If the invoice has the same credit or tax, it counts twice until the month is closed.
{{ config(severity='warn') }}

select
    charges.x_Account as account,
    days.charge_date,
    charges.ChargeCategory,
    charges.ChargeClass,
    charges.BilledCost
from {{ ref('int_charges__counted') }} as charges
inner join {{ ref('int_charge_days__sources') }} as days
    on
        charges.x_Account = days.account
        and {{ utc_date('charges.ChargePeriodStart') }} = days.charge_date
        and charges.x_ProductLine = days.product_line
where charges.x_ChargeSource = 'estimate' and days.is_day_invoiced and not {{ is_ordinary_usage('charges') }}
