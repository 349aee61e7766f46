{#- A line has a SKU of a sub account. Corrections and rows that adjust another invoice have lines of their own. -#}
{%- set key = [
    'x_Account', 'InvoiceIssuerName', 'InvoiceId', 'BillingAccountId', 'stated_billing_account_id', 'BillingCurrency',
    'BillingPeriodStart', 'BillingPeriodEnd', 'ChargeCategory', 'ChargeClass', 'SkuId', 'SubAccountId',
    'x_ReferenceInvoiceId',
] -%}

with

charges as (

    select
        *,
        {{ stated_billing_account_id() }} as stated_billing_account_id
    from {{ ref('focus_1_4__cost_and_usage') }}
    where InvoiceId is not null

),

invoices as (

    select * from {{ ref('int_invoices__landed') }}

),

accounts as (

    select * from {{ ref('fal_accounts') }}

),

lines as (

    select
        {{ key | join(', ') }},
        min(ServiceName) as service_name,
        min(SubAccountName) as sub_account_name,
        max(case when lower({{ provider_column('InvoiceIssueStatus') }}) = 'voided' then 1 else 0 end)
            as is_stated_void,
        count(*) as charges,
        {{ money('sum(BilledCost)') }} as billed_cost,
        {{ money('sum(ContractedCost)') }} as contracted_cost,
        {{ money('sum(EffectiveCost)') }} as effective_cost,
        {{ money('sum(ListCost)') }} as list_cost
    from charges
    group by {{ key | join(', ') }}

),

totals as (

    select
        x_Account as account,
        InvoiceId as invoice_id,
        max(is_stated_void) = 1 as is_stated_void,
        sum(billed_cost) as billed_cost
    from lines
    group by x_Account, InvoiceId

),

adjustments as (

    -- what other invoices, which have landed, take back of an invoice
    select
        lines.x_Account as account,
        lines.x_ReferenceInvoiceId as invoice_id,
        sum(lines.billed_cost) as billed_cost
    from lines
    inner join invoices on lines.x_Account = invoices.account and lines.InvoiceId = invoices.invoice_id
    where lines.x_ReferenceInvoiceId <> lines.InvoiceId and invoices.is_issued
    group by lines.x_Account, lines.x_ReferenceInvoiceId

),

statuses as (

    select
        totals.account,
        totals.invoice_id,
        invoices.created_at,
        invoices.updated_at,
        invoices.loads,
        case
            when totals.is_stated_void then 'Voided'
            when totals.billed_cost <> 0 and totals.billed_cost + adjustments.billed_cost = 0 then 'Voided'
            when invoices.is_issued then 'Issued'
            else 'Open'
        end as status
    from totals
    inner join invoices on totals.account = invoices.account and totals.invoice_id = invoices.invoice_id
    left join adjustments
        on totals.account = adjustments.account and totals.invoice_id = adjustments.invoice_id

),

described as (

    select
        lines.*,
        {{ invoice_detail_grain() }} as grain
    from lines

),

identified as (

    select
        described.*,
        {{ invoice_detail_id('grain', 'stated_billing_account_id') }} as invoice_detail_id
    from described

),

invoice_detail as (

    select
        ---------- FOCUS columns
        identified.billed_cost as BilledCost,
        identified.BillingAccountId,
        identified.BillingCurrency,
        identified.BillingPeriodEnd,
        identified.BillingPeriodStart,
        identified.ChargeCategory,
        statuses.created_at as InvoiceDetailCreated,
        concat_ws(
            ', ',
            identified.ChargeCategory,
            identified.ChargeClass,
            identified.service_name,
            identified.SkuId,
            coalesce(identified.sub_account_name, identified.SubAccountId)
        ) as InvoiceDetailDescription,
        identified.grain as InvoiceDetailGrain,
        identified.invoice_detail_id as InvoiceDetailId,
        statuses.updated_at as InvoiceDetailLastUpdated,
        identified.InvoiceId,
        cast(null as {{ type_utc_timestamp() }}) as InvoiceIssueDate,
        statuses.status as InvoiceIssueStatus,
        identified.InvoiceIssuerName,
        identified.BillingCurrency as PaymentCurrency,
        identified.billed_cost as PaymentCurrencyBilledCost,
        identified.invoice_detail_id as PaymentCurrencyInvoiceDetailId,
        cast(null as {{ type_utc_timestamp() }}) as PaymentDueDate,
        coalesce(nullif(trim(accounts.payment_terms), ''), 'Not stated') as PaymentTerms,
        cast(null as {{ dbt.type_string() }}) as PurchaseOrderNumber,
        coalesce(identified.x_ReferenceInvoiceId, identified.InvoiceId) as ReferenceInvoiceId,

        ---------- fal_focus
        identified.x_Account,
        identified.charges as x_ChargeCount,
        identified.contracted_cost as x_ContractedCost,
        identified.effective_cost as x_EffectiveCost,
        identified.list_cost as x_ListCost,
        cast(statuses.loads as bigint) as x_LoadCount

    from identified
    inner join statuses
        on identified.x_Account = statuses.account and identified.InvoiceId = statuses.invoice_id
    left join accounts on identified.x_Account = accounts.account

)

select * from invoice_detail
