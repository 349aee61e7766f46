{#
    Three CTEs, the last of which is `compared`: the lines of invoices of FOCUS 1.4 beside their charges and their
    billing period. A sum of an invoice is without taxes.
#}
{% macro focus_compared_lines(invoice_details, charges, billing_periods) %}
{%- set of_invoice = 'over (partition by InvoiceIssuerName, InvoiceId)' -%}
{%- set untaxed = "case when ChargeCategory <> 'Tax' then BilledCost else 0 end" -%}
charge_lines as (

    select
        InvoiceDetailId,
        InvoiceIssuerName,
        InvoiceId,
        sum(BilledCost) as ChargesCost,
        sum(sum({{ untaxed }})) {{ of_invoice }} as ChargesInvoiceCost,
        case when min(BillingPeriodStart) = max(BillingPeriodStart) then min(BillingPeriodStart) end as ChargesPeriodStart,
        case when min(BillingPeriodEnd) = max(BillingPeriodEnd) then min(BillingPeriodEnd) end as ChargesPeriodEnd
    from {{ charges }}
    where InvoiceId is not null
    group by InvoiceDetailId, InvoiceIssuerName, InvoiceId

),

closed_periods as (

    select
        InvoiceIssuerName,
        BillingPeriodStart,
        max(BillingPeriodLastUpdated) as PeriodLastUpdated
    from {{ billing_periods }}
    where BillingPeriodStatus = 'Closed'
    group by InvoiceIssuerName, BillingPeriodStart

),

compared as (

    select
        lines.*,
        sum({{ untaxed | replace('ChargeCategory', 'lines.ChargeCategory') | replace('BilledCost', 'lines.BilledCost') }})
            over (partition by lines.InvoiceIssuerName, lines.InvoiceId) as InvoiceCost,
        charge_lines.ChargesCost,
        charge_lines.ChargesInvoiceCost,
        charge_lines.ChargesPeriodStart,
        charge_lines.ChargesPeriodEnd,
        closed_periods.PeriodLastUpdated
    from {{ invoice_details }} as lines
    left join charge_lines
        on lines.InvoiceId = charge_lines.InvoiceId and lines.InvoiceDetailId = charge_lines.InvoiceDetailId
    left join closed_periods
        on
            lines.InvoiceIssuerName = closed_periods.InvoiceIssuerName
            and lines.BillingPeriodStart = closed_periods.BillingPeriodStart

)
{%- endmacro %}
