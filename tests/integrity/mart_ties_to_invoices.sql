-- Each invoice has the same number of rows and the same amounts in the mart as in its CSV, to the last digit.
with

csv as (

    select
        account,
        coalesce(InvoiceId, 'none') as invoice_id,
        count(*) as row_count,
        sum(BilledCost) as billed_cost,
        sum(coalesce(EffectiveCost, BilledCost)) as effective_cost
    from {{ ref('stg_fal__focus_invoices') }}
    group by account, coalesce(InvoiceId, 'none')

),

mart as (

    select
        x_Account as account,
        coalesce(InvoiceId, 'none') as invoice_id,
        count(*) as row_count,
        sum(BilledCost) as billed_cost,
        sum(EffectiveCost) as effective_cost
    from {{ ref('cost_and_usage') }}
    where x_ChargeSource = 'invoice'
    group by x_Account, coalesce(InvoiceId, 'none')

)

select
    csv.account,
    csv.invoice_id,
    csv.row_count,
    mart.row_count as mart_row_count,
    csv.billed_cost,
    mart.billed_cost as mart_billed_cost,
    csv.effective_cost,
    mart.effective_cost as mart_effective_cost
from csv
full outer join mart
    on csv.account = mart.account and csv.invoice_id = mart.invoice_id
where
    csv.account is null
    or mart.account is null
    or csv.row_count <> mart.row_count
    or csv.billed_cost <> mart.billed_cost
    or csv.effective_cost <> mart.effective_cost
