-- Billing periods that were closed in an earlier build of this warehouse and are open now. This happens only for a
-- correction: fal's latest invoices have no usage of the month any more, or an invoice whose first load had no usage
-- has some now.
{{ config(severity='warn') }}

with

closed_before as (

    select * from {{ ref('focus_1_4__closed_billing_periods') }}

),

periods as (

    select * from {{ ref('focus_1_4__billing_period') }}

)

select
    closed_before.invoice_issuer_name,
    closed_before.billing_period_start,
    closed_before.closed_at,
    coalesce(periods.BillingPeriodStatus, 'no charges') as status,
    periods.x_InvoicedAccounts as invoiced_accounts,
    periods.x_OpenAccounts as open_accounts,
    'check the latest invoice of the month after: python -m loaders verify lists its loads' as finding
from closed_before
left join periods
    on
        closed_before.invoice_issuer_name = periods.InvoiceIssuerName
        and closed_before.billing_period_start = periods.BillingPeriodStart
        and closed_before.billing_period_end = periods.BillingPeriodEnd
where coalesce(periods.BillingPeriodStatus, 'Open') <> 'Closed'
