-- The lines of each invoice that has landed add up to the rows of its CSV, to the last digit, and have as many rows.
-- Rows of the CSV without an InvoiceId are in no line: warn_invoice_rows_have_an_invoice. Lines of an invoice that only
-- estimates name have no CSV.
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

lines as (

    select
        x_Account as account,
        InvoiceId as invoice_id,
        sum(x_ChargeCount) as charges,
        sum(BilledCost) as billed_cost
    from {{ ref('focus_1_4__invoice_detail') }}
    where x_LoadCount > 0
    group by x_Account, InvoiceId

)

select
    csv.account,
    csv.invoice_id,
    csv.charges,
    lines.charges as line_charges,
    csv.billed_cost,
    lines.billed_cost as line_billed_cost
from csv
full outer join lines
    on csv.account = lines.account and csv.invoice_id = lines.invoice_id
where
    csv.account is null
    or lines.account is null
    or csv.charges <> lines.charges
    or csv.billed_cost <> lines.billed_cost
