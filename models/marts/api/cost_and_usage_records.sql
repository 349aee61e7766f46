{#-
    CostAndUsageRecord of the API, field by field in its order: what it calls by another name, or means otherwise, than the
    mart. The other fields are the mart's columns; so are, behind them, the columns that it does not list.
-#}
{%- set fields = [
    'AvailabilityZone', 'BilledCost', 'BillingAccountId', 'BillingAccountName', 'BillingCurrency', 'BillingPeriodEnd',
    'BillingPeriodStart', 'CapacityReservationId', 'ChargeCategory', 'ChargeClass', 'ChargeDescription', 'ChargeFrequency',
    'ChargePeriodEnd', 'ChargePeriodStart', 'CommitmentDiscountCategory', 'CommitmentDiscountId', 'CommitmentDiscountName',
    'CommitmentDiscountQuantity', 'CommitmentDiscountStatus', 'CommitmentDiscountType', 'CommitmentDiscountUnit',
    'ConsumedQuantity', 'ConsumedUnit', 'ContractedCost', 'ContractedUnitPrice', 'EffectiveCost', 'InvoiceIssuerName',
    'ListCost', 'ListUnitPrice', 'PricingCategory', 'PricingQuantity', 'PricingUnit', 'ProviderName', 'PublisherName',
    'Region', 'ResourceId', 'ResourceName', 'ResourceType', 'ServiceCategory', 'ServiceName', 'ServiceSubcategory', 'SkuId',
    'SkuPriceId', 'SubAccountId', 'SubAccountName', 'Tags', 'x_SplitCostAllocationMethod', 'x_SplitCostAllocationPercentage',
] -%}
{%- set translations = {
    'PricingCategory':
        "case PricingCategory when 'Standard' then 'On-Demand' when 'Committed' then 'Commitment-Based'"
        ~ " when 'Dynamic' then 'Dynamic' when 'Other' then 'Other' end",
    'Region': 'coalesce(RegionName, RegionId)',
    'Tags': json_value('Tags'),
    'x_SplitCostAllocationMethod': 'AllocatedMethodId',
    'x_SplitCostAllocationPercentage': money('null'),
} -%}
{%- set columns = dict(focus_columns(), **focus_custom_columns()) -%}

with

cost_and_usage as (

    select
        {{ record_number() }} as record_number,
        *
    from {{ ref('cost_and_usage') }}

),

records as (

    select
        record_number,

        ---------- fields of the API
        {%- for field in fields %}
        {{ translations.get(field, field) }} as {{ field }},
        {%- endfor %}

        ---------- the other columns of the mart
        {%- for column, kind in columns.items() if column not in fields %}
        {{ json_value(column) if kind == 'json' else column }} as {{ column }}{{ ',' if not loop.last }}
        {%- endfor %}
    from cost_and_usage

)

select * from records
