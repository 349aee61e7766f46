-- Usage without a product line in an invoice, in an open month. It counts beside the other feeds of its days. A fee is
-- right there. If it is usage of a line, the bill is too high by the amount: add a pattern for the value to
-- seeds/fal_product_lines.csv, so that the invoice replaces the other feed on these days.
{{ config(severity='warn') }}

with

unattributed as (

    select
        charges.x_Account as account,
        charges.InvoiceId as invoice_id,
        {{ utc_date('charges.ChargePeriodStart') }} as first_day,
        charges.EffectiveCost as effective_cost,
        {{ value_for_pattern('charges') }} as landed_value
    from {{ ref('int_charges__from_focus_reports') }} as charges
    left join {{ ref('int_charge_months__closed') }} as closed_months
        on
            charges.x_Account = closed_months.account
            and {{ month_of(utc_date('charges.ChargePeriodStart')) }} = closed_months.charge_month
    where
        charges.x_ChargeSource = 'invoice'
        and charges.x_ProductLine = {{ unattributed() }}
        and {{ is_ordinary_usage('charges') }}
        and closed_months.account is null

)

select
    account,
    invoice_id,
    min(first_day) as first_day,
    max(first_day) as last_day,
    {{ plain_decimal('sum(effective_cost)') }} as unattributed_usage_usd,
    'unless it is a fee, add a pattern to seeds/fal_product_lines.csv for ' || landed_value as finding
from unattributed
group by account, invoice_id, landed_value
