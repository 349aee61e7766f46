{{ config(materialized='view') }}

{%- set service = product_lines()['serverless'] -%}
{%- set identity = [
    'account', 'charge_date', 'app', 'environment', 'machine_type', 'is_surge', 'unit', 'unit_price_usd',
    'percent_discount',
] -%}

with

usage as (

    select * from {{ ref('stg_fal__serverless_usage') }}

),

accounts as (

    select * from {{ ref('int_accounts__named') }}

),

tags as (

    -- the usage has no caller, so that lines for the whole account apply
    select * from {{ ref('int_tags__callers') }}
    where coalesce(auth_method, api_key_id, login_username, team_username) is null

),

known as (

    -- A missing discount is no discount, and a row that does not state surge is not surge.
    select
        account,
        charge_date,
        app,
        environment,
        machine_type,
        coalesce(is_surge, false) as is_surge,
        case when lower(coalesce(unit, 'second')) in ('second', 'seconds') then 'Seconds' else unit end as unit,
        quantity,
        unit_price_usd,
        coalesce(percent_discount, 0) as percent_discount,
        cost_total_usd,
        landed_date,
        landed_file,
        row_number as row_of_page
    from usage

),

numbered as (

    -- A key that repeats counts once, at the greatest cost. The rest of the order is fixed, so that every build counts
    -- the same row.
    select
        *,
        row_number() over (
            partition by {{ identity | join(', ') }}
            order by cost_total_usd desc, quantity desc, landed_date desc, landed_file asc, row_of_page asc
        ) as repeat_number
    from known

),

described as (

    select
        numbered.*,
        accounts.billing_account_id,
        accounts.billing_account_name,
        accounts.billing_account_type,
        tags.tags,
        {{ utc_trunc('day', 'numbered.charge_date') }} as charge_period_start,
        numbered.app || coalesce(':' || numbered.environment, '') as resource_id,
        numbered.machine_type || case when numbered.is_surge then ' surge' else '' end as sku_id,
        {{ discounted('numbered.unit_price_usd', 'numbered.percent_discount') }} as contracted_unit_price,
        {{ plain_decimal('numbered.unit_price_usd') }} as list_unit_price_text,
        {{ plain_decimal('numbered.percent_discount') }} as percent_discount_text
    from numbered
    inner join accounts on numbered.account = accounts.account
    left join tags
        on
            numbered.account = tags.account
            and numbered.charge_date >= tags.valid_from
            and numbered.charge_date < tags.valid_to
    where numbered.repeat_number = 1

),

focus as (

    select
        ---------- who
        billing_account_id as BillingAccountId,
        billing_account_name as BillingAccountName,
        billing_account_type as BillingAccountType,
        {{ sql_text(var('fal_service_provider_name')) }} as ServiceProviderName,
        {{ sql_text(var('fal_host_provider_name')) }} as HostProviderName,
        {{ sql_text(var('fal_provider_name')) }} as ProviderName,
        {{ sql_text(var('fal_invoice_issuer_name')) }} as InvoiceIssuerName,
        {{ service['PublisherName'] }} as PublisherName,

        ---------- when (UTC)
        charge_period_start as ChargePeriodStart,
        {{ utc_add('day', 1, 'charge_period_start') }} as ChargePeriodEnd,
        {{ utc_trunc('month', 'charge_period_start') }} as BillingPeriodStart,
        {{ utc_add('month', 1, utc_trunc('month', 'charge_period_start')) }} as BillingPeriodEnd,

        ---------- what
        'Usage' as ChargeCategory,
        'Usage-Based' as ChargeFrequency,
        coalesce(resource_id, 'App without a name') || ' on ' || sku_id || ', ' || unit || ' at '
        || list_unit_price_text || ' USD'
        || case when percent_discount > 0 then ' less ' || percent_discount_text || ' %' else '' end
            as ChargeDescription,
        {{ service['ServiceCategory'] }} as ServiceCategory,
        {{ service['ServiceName'] }} as ServiceName,
        {{ service['ServiceSubcategory'] }} as ServiceSubcategory,
        resource_id as ResourceId,
        -- FOCUS has no name that repeats the id
        nullif(app, resource_id) as ResourceName,
        case when resource_id is not null then {{ service['ResourceType'] }} end as ResourceType,
        sku_id as SkuId,
        unit as SkuMeter,
        sku_id || '|' || list_unit_price_text as SkuPriceId,
        '{"InstanceType":' || {{ json_text('machine_type') }}
        || case when is_surge then ',"x_Surge":true' else '' end || '}' as SkuPriceDetails,
        tags as {{ adapter.quote('Tags') }},

        ---------- how much
        'Standard' as PricingCategory,
        quantity as PricingQuantity,
        unit as PricingUnit,
        quantity as ConsumedQuantity,
        unit as ConsumedUnit,

        ---------- at what price (USD)
        'USD' as BillingCurrency,
        'USD' as PricingCurrency,
        unit_price_usd as ListUnitPrice,
        contracted_unit_price as ContractedUnitPrice,
        unit_price_usd as PricingCurrencyListUnitPrice,
        contracted_unit_price as PricingCurrencyContractedUnitPrice,

        ---------- for how much (USD)
        {{ money('unit_price_usd * quantity') }} as ListCost,
        {{ money('contracted_unit_price * quantity') }} as ContractedCost,
        cost_total_usd as EffectiveCost,
        cost_total_usd as PricingCurrencyEffectiveCost,
        cost_total_usd as BilledCost,

        ---------- fal_focus
        account as x_Account,
        md5(concat_ws(
            '|',
            'serverless_usage',
            account,
            {{ iso_utc('charge_period_start') }},
            'app ' || app,
            'environment ' || environment,
            machine_type,
            case when is_surge then 'surge' end,
            unit,
            list_unit_price_text,
            percent_discount_text
        )) as x_ChargeId,
        'serverless_usage' as x_ChargeSource,
        'Estimated' as x_ChargeStatus,
        'serverless' as x_ProductLine,

        ---------- fal has no such value, or the usage does not state it
        {{ empty_focus_columns([
            'BilledCost', 'BillingAccountId', 'BillingAccountName', 'BillingAccountType', 'BillingCurrency',
            'BillingPeriodEnd', 'BillingPeriodStart', 'ChargeCategory', 'ChargeDescription', 'ChargeFrequency',
            'ChargePeriodEnd', 'ChargePeriodStart', 'ConsumedQuantity', 'ConsumedUnit', 'ContractedCost',
            'ContractedUnitPrice', 'EffectiveCost', 'HostProviderName', 'InvoiceIssuerName', 'ListCost',
            'ListUnitPrice', 'PricingCategory', 'PricingCurrency', 'PricingCurrencyContractedUnitPrice',
            'PricingCurrencyEffectiveCost', 'PricingCurrencyListUnitPrice', 'PricingQuantity', 'PricingUnit',
            'ProviderName', 'PublisherName', 'ResourceId', 'ResourceName', 'ResourceType', 'ServiceCategory',
            'ServiceName', 'ServiceProviderName', 'ServiceSubcategory', 'SkuId', 'SkuMeter', 'SkuPriceDetails',
            'SkuPriceId', 'Tags', 'x_Account', 'x_ChargeId', 'x_ChargeSource', 'x_ChargeStatus', 'x_ProductLine',
        ]) }}

    from described

)

select * from focus
