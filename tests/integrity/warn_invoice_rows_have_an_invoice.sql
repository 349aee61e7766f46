-- Rows of an invoice without an InvoiceId. They count, but FOCUS 1.4 has no line for them in Invoice Detail.
{{ config(severity='warn') }}

select
    x_Account as account,
    BillingPeriodStart as billing_period_start,
    count(*) as charges,
    sum(BilledCost) as billed_cost
from {{ ref('cost_and_usage') }}
where x_ChargeSource = 'invoice' and InvoiceId is null
group by x_Account, BillingPeriodStart
