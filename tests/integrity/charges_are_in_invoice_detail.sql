-- Each InvoiceDetailId of Cost and Usage is a line of that invoice with the same amount, and each line has charges.
with

charges as (

    select
        InvoiceId as invoice_id,
        InvoiceDetailId as invoice_detail_id,
        count(*) as charges,
        sum(BilledCost) as billed_cost
    from {{ ref('focus_1_4__cost_and_usage') }}
    where InvoiceId is not null or InvoiceDetailId is not null
    group by InvoiceId, InvoiceDetailId

),

lines as (

    select * from {{ ref('focus_1_4__invoice_detail') }}

)

select
    charges.invoice_id,
    charges.invoice_detail_id,
    charges.charges,
    charges.billed_cost,
    lines.InvoiceDetailId as line_id,
    lines.BilledCost as line_billed_cost
from charges
full outer join lines
    on charges.invoice_id = lines.InvoiceId and charges.invoice_detail_id = lines.InvoiceDetailId
where
    charges.invoice_detail_id is null
    or lines.InvoiceDetailId is null
    or charges.charges <> lines.x_ChargeCount
    or charges.billed_cost <> lines.BilledCost
