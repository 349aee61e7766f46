-- The lines of each invoice add up to the rows of its CSV, to the last digit, and have as many rows. Rows of the CSV
-- without an InvoiceId are in no line: warn_invoice_rows_have_an_invoice.
with

csv as (

    select
        account,
        InvoiceId as invoice_id,
        count(*) as charges,
        sum(BilledCost) as billed_cost
    from {{ ref('stg_fal__focus_invoices') }}
    where InvoiceId is not null
    group by account, InvoiceId

),

charges as (

    -- rows of estimates can name an invoice before it is issued
    select
        x_Account as account,
        InvoiceId as invoice_id,
        count(*) as charges,
        sum(BilledCost) as billed_cost
    from {{ ref('focus_1_4__cost_and_usage') }}
    where x_ChargeSource <> 'invoice' and InvoiceId is not null
    group by x_Account, InvoiceId

),

rows_of_invoices as (

    select * from csv
    union all
    select * from charges

),

expected as (

    select
        account,
        invoice_id,
        sum(charges) as charges,
        sum(billed_cost) as billed_cost
    from rows_of_invoices
    group by account, invoice_id

),

lines as (

    select
        x_Account as account,
        InvoiceId as invoice_id,
        sum(x_ChargeCount) as charges,
        sum(BilledCost) as billed_cost
    from {{ ref('focus_1_4__invoice_detail') }}
    group by x_Account, InvoiceId

)

select
    expected.account,
    expected.invoice_id,
    expected.charges,
    lines.charges as line_charges,
    expected.billed_cost,
    lines.billed_cost as line_billed_cost
from expected
full outer join lines
    on expected.account = lines.account and expected.invoice_id = lines.invoice_id
where
    expected.account is null
    or lines.account is null
    or expected.charges <> lines.charges
    or expected.billed_cost <> lines.billed_cost
