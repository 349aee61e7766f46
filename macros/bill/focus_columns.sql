{#
    The 65 columns of FOCUS 1.3 Cost and Usage, in the order of the standard's column list, each with the kind of value it
    holds: text, json, time, money (18 decimals) or quantity (9).
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

{# the columns that fal_focus adds behind them, with the same kinds; 'count' is a whole number #}
{% macro focus_custom_columns() %}
    {{ return({
        'x_Account': 'text',
        'x_AuthMethod': 'text',
        'x_ChargeId': 'text',
        'x_ChargeSource': 'text',
        'x_ChargeStatus': 'text',
        'x_ProviderColumns': 'json',
        'x_Repairs': 'json',
        'x_RequestCount': 'count',
    }) }}
{% endmacro %}

{# the SQL type of a kind #}
{% macro focus_type(kind) -%}
    {%- if kind == 'money' -%} decimal(38, 18)
    {%- elif kind == 'quantity' -%} decimal(38, 9)
    {%- elif kind == 'time' -%} {{ type_utc_timestamp() }}
    {%- elif kind == 'count' -%} bigint
    {%- else -%} {{ dbt.type_string() }}
    {%- endif -%}
{%- endmacro %}

{#
    All of them in order, for a select.
    relation: the name of what they are selected from, where it needs saying; instead: columns with SQL to select instead.
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

{#
    FOCUS and custom columns that a feed never fills, typed, each `null as Column`.
    filled: the columns that the select names itself.
#}
{% macro empty_focus_columns(filled) -%}
    {%- set columns = dict(focus_columns(), **focus_custom_columns()) -%}
    {%- set empty = columns.keys() | reject('in', filled) | list -%}
    {%- for column in empty %}
        cast(null as {{ focus_type(columns[column]) }}) as {{ column }}{{ ',' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{# one of FOCUS's allowed values, whatever case it is written in; null when it is none of them #}
{% macro focus_value(column, allowed) -%}
    case lower({{ column }})
        {%- for value in allowed %}
        when '{{ value | lower }}' then '{{ value }}'
        {%- endfor %}
    end
{%- endmacro %}

{# whether we filled in a column of a provider's row #}
{% macro is_added_to_row(column) -%}
    coalesce(x_Repairs like '%"{{ column }}"%', false)
{%- endmacro %}

{# whether a row is usage that no other row of an invoice charges as well: a correction is of usage charged elsewhere #}
{% macro is_ordinary_usage(relation=none) -%}
    {%- set row = relation ~ '.' if relation else '' -%}
    ({{ row }}ChargeCategory = 'Usage' and {{ row }}ChargeClass is null)
{%- endmacro %}
