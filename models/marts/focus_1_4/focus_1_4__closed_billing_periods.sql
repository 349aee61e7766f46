{#- The landing zone does not show what an earlier build found, so this table keeps it, also with --full-refresh. -#}
{{ config(materialized='incremental', incremental_strategy='append', full_refresh=false) }}

with

periods as (

    select * from {{ ref('focus_1_4__billing_period') }}
    where BillingPeriodStatus = 'Closed'

),

closed as (

    select
        InvoiceIssuerName as invoice_issuer_name,
        BillingPeriodStart as billing_period_start,
        BillingPeriodEnd as billing_period_end,
        BillingPeriodLastUpdated as closed_at
    from periods

){% if is_incremental() %},

kept as (

    select * from {{ this }}

),

added as (

    select closed.*
    from closed
    left join kept
        on
            closed.invoice_issuer_name = kept.invoice_issuer_name
            and closed.billing_period_start = kept.billing_period_start
            and closed.billing_period_end = kept.billing_period_end
    where kept.invoice_issuer_name is null

)

select * from added
{%- else %}

select * from closed
{%- endif %}
