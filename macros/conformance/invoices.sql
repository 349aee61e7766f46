{# Columns that are ours in each row, for ours_too of focus_rule_tallies. #}
{% macro focus_ours_too(columns) %}
    {% set ours = {} %}
    {% for column in columns %}{% do ours.update({column: 'true'}) %}{% endfor %}
    {{ return(ours) }}
{% endmacro %}

{#
    Three CTEs, the last of which is `compared`: the lines of invoices of FOCUS 1.4 beside their charges and their
    billing period. A sum of an invoice is without taxes.
#}
{% macro focus_compared_lines(invoice_details, charges, billing_periods) %}
charge_lines as (

    select
        InvoiceDetailId,
        InvoiceIssuerName,
        InvoiceId,
        sum(BilledCost) as ChargesCost,
        sum(sum(case when ChargeCategory <> 'Tax' then BilledCost else 0 end))
            over (partition by InvoiceIssuerName, InvoiceId) as ChargesInvoiceCost,
        {%- for bound in ['Start', 'End'] %}
        case
            when min(BillingPeriod{{ bound }}) = max(BillingPeriod{{ bound }}) then min(BillingPeriod{{ bound }})
        end as ChargesPeriod{{ bound }}{{ ',' if not loop.last }}
        {%- endfor %}
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
        sum(case when lines.ChargeCategory <> 'Tax' then lines.BilledCost else 0 end)
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
