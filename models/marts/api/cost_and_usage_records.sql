{#-
    CostAndUsageRecord of the API: its fields in order, then the other columns of the mart. A field is the mart's column of the
    same name, unless it has a translation: another name, another meaning, or a default for a required field.
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

{#- in FOCUS, a charge without unit price costs its BilledCost; usage that a commitment pays for has BilledCost 0 #}
{%- set unpriced_cost = "case when ChargeCategory = 'Usage' then EffectiveCost else BilledCost end" -%}

{%- set translations = {
    'AllocatedMethodDetails': json_value('AllocatedMethodDetails', ['AllocatedRatio']),
    'ChargeFrequency':
        'coalesce(' ~ focus_value('ChargeFrequency', ['One-Time', 'Recurring', 'Usage-Based'])
        ~ ", case when ChargeCategory = 'Usage' then 'Usage-Based' else 'One-Time' end)",
    'CommitmentDiscountCategory': focus_value('CommitmentDiscountCategory', ['Spend', 'Usage']),
    'CommitmentDiscountStatus': focus_value('CommitmentDiscountStatus', ['Used', 'Unused']),
    'ContractApplied': json_value(
        'ContractApplied', ['ContractCommitmentAppliedCost', 'ContractCommitmentAppliedQuantity']
    ),
    'ContractedCost': 'coalesce(ContractedCost, ' ~ unpriced_cost ~ ')',
    'ListCost': 'coalesce(ListCost, ContractedCost, ' ~ unpriced_cost ~ ')',
    'PricingCategory':
        "case lower(PricingCategory) when 'standard' then 'On-Demand' when 'committed' then 'Commitment-Based'"
        ~ " when 'dynamic' then 'Dynamic' else case when PricingCategory is not null then 'Other' end end",
    'Region': 'coalesce(RegionName, RegionId)',
    'Tags': json_texts('Tags'),
    'x_Repairs': json_value('repairs'),
    'x_SplitCostAllocationMethod': 'AllocatedMethodId',
    'x_SplitCostAllocationPercentage':
        'case when allocated_ratio between 0 and 1 then ' ~ money('100 * allocated_ratio') ~ ' end',
} -%}

{%- set kinds = dict(focus_columns(), **focus_custom_columns()) -%}

with

cost_and_usage as (

    select
        {{ record_number() }} as record_number,
        *
    from {{ ref('cost_and_usage') }}

),

prepared as (

    select
        *,
        -- x_Repairs, with the costs that are filled in here
        case
            when ContractedCost is null or ListCost is null
                then coalesce(substr(x_Repairs, 1, length(x_Repairs) - 1) || ',', '[') || concat_ws(
                    ',',
                    case when ContractedCost is null then '"ContractedCost"' end,
                    case when ListCost is null then '"ListCost"' end
                ) || ']'
            else x_Repairs
        end as repairs,
        -- null for several elements: one percentage cannot represent them
        {{ try_decimal(json_member_text(json_only_item('AllocatedMethodDetails', 'Elements'), 'AllocatedRatio'), 18) }}
            as allocated_ratio
    from cost_and_usage

),

records as (

    select
        record_number,

        ---------- fields of the API
        {%- for field in fields %}
        {{ translations[field] ~ ' as ' if field in translations }}{{ field }},
        {%- endfor %}

        ---------- the other columns of the mart
        {%- for column, kind in kinds.items() if column not in fields %}
        {%- if column in translations %}
        {{ translations[column] }} as {{ column }},
        {%- elif kind == 'json' %}
        {{ json_value(column) }} as {{ column }},
        {%- else %}
        {{ column }},
        {%- endif %}
        {%- endfor %}

        ---------- tags that are not a JSON object of texts
        case when not {{ json_values_are_texts('Tags') }} then {{ json_value('Tags') }} end as x_Tags
    from prepared

)

select * from records
