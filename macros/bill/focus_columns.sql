{# The columns of FOCUS 1.3 Cost and Usage and of this project. #}

{#
    The 65 columns of FOCUS 1.3 Cost and Usage in the order of the standard, each with the kind of its values: text,
    json, time, money (18 decimals) or quantity (9 decimals).
#}
{% macro focus_columns() %}
    {{ return({
        'AllocatedMethodDetails': 'json',
        'AllocatedMethodId': 'text',
        'AllocatedResourceId': 'text',
        'AllocatedResourceName': 'text',
        'AllocatedTags': 'json',
        'AvailabilityZone': 'text',
        'BilledCost': 'money',
        'BillingAccountId': 'text',
        'BillingAccountName': 'text',
        'BillingAccountType': 'text',
        'BillingCurrency': 'text',
        'BillingPeriodEnd': 'time',
        'BillingPeriodStart': 'time',
        'CapacityReservationId': 'text',
        'CapacityReservationStatus': 'text',
        'ChargeCategory': 'text',
        'ChargeClass': 'text',
        'ChargeDescription': 'text',
        'ChargeFrequency': 'text',
        'ChargePeriodEnd': 'time',
        'ChargePeriodStart': 'time',
        'CommitmentDiscountCategory': 'text',
        'CommitmentDiscountId': 'text',
        'CommitmentDiscountName': 'text',
        'CommitmentDiscountQuantity': 'quantity',
        'CommitmentDiscountStatus': 'text',
        'CommitmentDiscountType': 'text',
        'CommitmentDiscountUnit': 'text',
        'ConsumedQuantity': 'quantity',
        'ConsumedUnit': 'text',
        'ContractApplied': 'json',
        'ContractedCost': 'money',
        'ContractedUnitPrice': 'money',
        'EffectiveCost': 'money',
        'HostProviderName': 'text',
        'InvoiceId': 'text',
        'InvoiceIssuerName': 'text',
        'ListCost': 'money',
        'ListUnitPrice': 'money',
        'PricingCategory': 'text',
        'PricingCurrency': 'text',
        'PricingCurrencyContractedUnitPrice': 'money',
        'PricingCurrencyEffectiveCost': 'money',
        'PricingCurrencyListUnitPrice': 'money',
        'PricingQuantity': 'quantity',
        'PricingUnit': 'text',
        'ProviderName': 'text',
        'PublisherName': 'text',
        'RegionId': 'text',
        'RegionName': 'text',
        'ResourceId': 'text',
        'ResourceName': 'text',
        'ResourceType': 'text',
        'ServiceCategory': 'text',
        'ServiceName': 'text',
        'ServiceProviderName': 'text',
        'ServiceSubcategory': 'text',
        'SkuId': 'text',
        'SkuMeter': 'text',
        'SkuPriceDetails': 'json',
        'SkuPriceId': 'text',
        'SubAccountId': 'text',
        'SubAccountName': 'text',
        'SubAccountType': 'text',
        'Tags': 'json',
    }) }}
{% endmacro %}

{# The columns that this project adds after them, with the same kinds. A count is a whole number. #}
{% macro focus_custom_columns() %}
    {{ return({
        'x_Account': 'text',
        'x_ApiKeyId': 'text',
        'x_AuthMethod': 'text',
        'x_ChargeId': 'text',
        'x_ChargeSource': 'text',
        'x_ChargeStatus': 'text',
        'x_LoginUsername': 'text',
        'x_ProductLine': 'text',
        'x_ProviderColumns': 'json',
        'x_Repairs': 'json',
        'x_RequestCount': 'count',
    }) }}
{% endmacro %}

{# The SQL type of a kind. #}
{% macro focus_type(kind) -%}
    {%- if kind == 'money' -%} decimal(38, 18)
    {%- elif kind == 'quantity' -%} decimal(38, 9)
    {%- elif kind == 'time' -%} {{ type_utc_timestamp() }}
    {%- elif kind == 'count' -%} bigint
    {%- else -%} {{ dbt.type_string() }}
    {%- endif -%}
{%- endmacro %}

{#
    All columns in order, for a select. relation: their qualifier, if they need one. instead: SQL by column, for
    columns with another value.

#}
{% macro all_focus_columns(relation=none, instead={}) -%}
    {%- set columns = dict(focus_columns(), **focus_custom_columns()) -%}
    {%- for column in columns %}
        {%- if column in instead %}
        {{ instead[column] }} as {{ column }}
        {%- else %}
        {{ relation ~ '.' if relation }}{{ column }}
        {%- endif -%}
        {{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# The columns that a feed never fills, as typed nulls. filled: the columns that the select contains itself. #}
{% macro empty_focus_columns(filled) -%}
    {%- set columns = dict(focus_columns(), **focus_custom_columns()) -%}
    {%- set empty = columns.keys() | reject('in', filled) | list -%}
    {%- for column in empty %}
        cast(null as {{ focus_type(columns[column]) }}) as {{ column }}{{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# The models of the datasets of FOCUS, by version and dataset. #}
{% macro focus_marts() %}
    {{ return({
        '1.3': {'CostAndUsage': 'cost_and_usage', 'ContractCommitment': 'contract_commitment'},
        '1.4': {
            'CostAndUsage': 'focus_1_4__cost_and_usage',
            'ContractCommitment': 'focus_1_4__contract_commitment',
            'BillingPeriod': 'focus_1_4__billing_period',
            'InvoiceDetail': 'focus_1_4__invoice_detail',
        },
    }) }}
{% endmacro %}
