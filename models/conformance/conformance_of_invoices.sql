-- depends_on: {{ ref('focus_rules') }}
-- depends_on: {{ ref('focus_columns') }}
-- depends_on: {{ ref('focus_service_subcategories') }}
{#- rows come from the provider's files, except for these columns -#}
{%- set ours_of_periods = focus_ours_too(['BillingPeriodCreated', 'BillingPeriodLastUpdated', 'BillingPeriodStatus']) %}
{%- set ours_of_lines = focus_ours_too([
    'BilledCost', 'InvoiceDetailCreated', 'InvoiceDetailDescription', 'InvoiceDetailGrain', 'InvoiceDetailId',
    'InvoiceDetailLastUpdated', 'InvoiceIssueDate', 'InvoiceIssueStatus', 'PaymentCurrencyBilledCost',
    'PaymentCurrencyInvoiceDetailId', 'PaymentDueDate', 'PaymentTerms', 'PurchaseOrderNumber', 'ReferenceInvoiceId',
]) %}
with

billing_periods as (

    select * from {{ ref('focus_1_4__billing_period') }}

),

invoice_details as (

    select * from {{ ref('focus_1_4__invoice_detail') }}

),

charges as (

    select * from {{ ref('focus_1_4__cost_and_usage') }}

),

{{ focus_compared_lines('invoice_details', 'charges', 'billing_periods') }},

tallies_of_periods as (

    {{ focus_rule_tallies(
        focus_rules_in_scan('1.4', 'billing_periods', 'BillingPeriod'),
        mart=ref('focus_1_4__billing_period'),
        relation='billing_periods',
        row_id=iso_utc('BillingPeriodStart'),
        is_provider_row='true',
        ours_too=ours_of_periods,
    ) }}

),

tallies_of_lines as (

    {{ focus_rule_tallies(
        focus_rules_in_scan('1.4', 'invoice_details', 'InvoiceDetail'),
        mart=ref('focus_1_4__invoice_detail'),
        relation='compared',
        row_id='InvoiceDetailId',
        is_provider_row='true',
        ours_too=ours_of_lines,
    ) }}

),

tallies as (

    select * from tallies_of_periods
    union all
    select * from tallies_of_lines

)

select * from tallies
