{{ config(materialized='view') }}

{%- set grain = var('fal_charge_grain') -%}
{%- set service = product_lines()['model_apis'] -%}

with

charges as (

    select * from {{ ref('int_billing_event_usage__priced') }}

),

accounts as (

    select * from {{ ref('int_accounts__named') }}

),

endpoints as (

    select * from {{ ref('int_endpoints__described') }}

),

tags as (

    select * from {{ ref('int_tags__callers') }}

),

sub_accounts as (

    select * from {{ ref('int_sub_accounts__named') }}

),

described as (

    select
        charges.*,
        accounts.billing_account_id,
        accounts.billing_account_name,
        accounts.billing_account_type,
        tags.tags,
        coalesce(sub_accounts.sub_account_id, charges.team_username) as sub_account_id,
        coalesce(sub_accounts.sub_account_name, charges.team_username) as sub_account_name,
        endpoints.display_name,
        coalesce(endpoints.model_developer, {{ service['PublisherName'] }}) as publisher_name,
        coalesce(endpoints.service_name, {{ service['ServiceName'] }}) as service_name,
        coalesce(endpoints.service_category, {{ service['ServiceCategory'] }}) as service_category,
        coalesce(endpoints.service_subcategory, {{ service['ServiceSubcategory'] }}) as service_subcategory,
        case when charges.is_metered then coalesce(endpoints.unit, 'Units') else 'USD' end as pricing_unit,
        case when charges.has_units then coalesce(endpoints.unit, 'Units') else 'Requests' end as consumed_unit,
        {{ plain_decimal('charges.list_unit_price') }} as list_unit_price_text,
        {{ plain_decimal('charges.percent_discount') }} as percent_discount_text
    from charges
    inner join accounts on charges.account = accounts.account
    left join endpoints
        on
            charges.account = endpoints.account
            and charges.endpoint_id = endpoints.endpoint_id
            and charges.charge_date >= endpoints.valid_from
            and charges.charge_date < endpoints.valid_to
    left join tags
        on
            charges.account = tags.account
            and charges.auth_method is not distinct from tags.auth_method
            and charges.api_key_id is not distinct from tags.api_key_id
            and charges.login_username is not distinct from tags.login_username
            and charges.team_username is not distinct from tags.team_username
            and charges.charge_date >= tags.valid_from
            and charges.charge_date < tags.valid_to
    left join sub_accounts
        on charges.account = sub_accounts.account and charges.team_username = sub_accounts.team_username

),

focus as (

    select
        ---------- who
        billing_account_id as BillingAccountId,
        billing_account_name as BillingAccountName,
        billing_account_type as BillingAccountType,
        sub_account_id as SubAccountId,
        sub_account_name as SubAccountName,
        case when team_username is not null then 'Team' end as SubAccountType,
        {{ sql_text(var('fal_service_provider_name')) }} as ServiceProviderName,
        {{ sql_text(var('fal_host_provider_name')) }} as HostProviderName,
        {{ sql_text(var('fal_provider_name')) }} as ProviderName,
        {{ sql_text(var('fal_invoice_issuer_name')) }} as InvoiceIssuerName,
        publisher_name as PublisherName,

        ---------- when (UTC)
        charge_period_start as ChargePeriodStart,
        {{ utc_add(grain, 1, 'charge_period_start') }} as ChargePeriodEnd,
        {{ utc_trunc('month', 'charge_period_start') }} as BillingPeriodStart,
        {{ utc_add('month', 1, utc_trunc('month', 'charge_period_start')) }} as BillingPeriodEnd,

        ---------- what
        'Usage' as ChargeCategory,
        'Usage-Based' as ChargeFrequency,
        coalesce(display_name, endpoint_id)
        || case
            when is_metered then ', ' || pricing_unit || ' at ' || list_unit_price_text || ' USD'
            else ', charged by its cost in USD'
        end
        || case when percent_discount > 0 then ' less ' || percent_discount_text || ' %' else '' end
            as ChargeDescription,
        service_category as ServiceCategory,
        service_name as ServiceName,
        service_subcategory as ServiceSubcategory,
        endpoint_id as ResourceId,
        display_name as ResourceName,
        {{ service['ResourceType'] }} as ResourceType,
        endpoint_id as SkuId,
        pricing_unit as SkuMeter,
        endpoint_id || '|' || list_unit_price_text as SkuPriceId,
        tags as {{ adapter.quote('Tags') }},

        ---------- how much
        'Standard' as PricingCategory,
        pricing_quantity as PricingQuantity,
        pricing_unit as PricingUnit,
        consumed_quantity as ConsumedQuantity,
        consumed_unit as ConsumedUnit,

        ---------- at what price (USD)
        'USD' as BillingCurrency,
        'USD' as PricingCurrency,
        list_unit_price as ListUnitPrice,
        contracted_unit_price as ContractedUnitPrice,
        list_unit_price as PricingCurrencyListUnitPrice,
        contracted_unit_price as PricingCurrencyContractedUnitPrice,

        ---------- for how much (USD)
        {{ money('list_unit_price * pricing_quantity') }} as ListCost,
        {{ money('contracted_unit_price * pricing_quantity') }} as ContractedCost,
        cost_usd as EffectiveCost,
        cost_usd as PricingCurrencyEffectiveCost,
        cost_usd as BilledCost,

        ---------- fal_focus
        account as x_Account,
        api_key_id as x_ApiKeyId,
        auth_method as x_AuthMethod,
        md5(concat_ws(
            '|',
            'billing_events',
            account,
            {{ iso_utc('charge_period_start') }},
            endpoint_id,
            case when is_metered then 'metered' else 'by cost' end,
            case when has_units then 'units' else 'requests' end,
            list_unit_price_text,
            percent_discount_text,
            auth_method,
            -- null in older loads, and then no part of the key
            'key ' || api_key_id,
            'login ' || login_username,
            'team ' || team_username
        )) as x_ChargeId,
        'billing_events' as x_ChargeSource,
        'Estimated' as x_ChargeStatus,
        login_username as x_LoginUsername,
        'model_apis' as x_ProductLine,
        cast(request_count as bigint) as x_RequestCount,

        ---------- day of the stored usage (UTC), by which a reader of few days prunes its scan
        charge_date,

        ---------- fal has no such value, or events do not state it
        {{ empty_focus_columns([
            'BilledCost', 'BillingAccountId', 'BillingAccountName', 'BillingAccountType', 'BillingCurrency',
            'BillingPeriodEnd', 'BillingPeriodStart', 'ChargeCategory', 'ChargeDescription', 'ChargeFrequency',
            'ChargePeriodEnd', 'ChargePeriodStart', 'ConsumedQuantity', 'ConsumedUnit', 'ContractedCost',
            'ContractedUnitPrice', 'EffectiveCost', 'HostProviderName', 'InvoiceIssuerName', 'ListCost',
            'ListUnitPrice', 'PricingCategory', 'PricingCurrency', 'PricingCurrencyContractedUnitPrice',
            'PricingCurrencyEffectiveCost', 'PricingCurrencyListUnitPrice', 'PricingQuantity', 'PricingUnit',
            'ProviderName', 'PublisherName', 'ResourceId', 'ResourceName', 'ResourceType', 'ServiceCategory',
            'ServiceName', 'ServiceProviderName', 'ServiceSubcategory', 'SkuId', 'SkuMeter', 'SkuPriceId',
            'SubAccountId', 'SubAccountName', 'SubAccountType', 'Tags', 'x_Account', 'x_ApiKeyId', 'x_AuthMethod',
            'x_ChargeId', 'x_ChargeSource', 'x_ChargeStatus', 'x_LoginUsername', 'x_ProductLine', 'x_RequestCount',
        ]) }}

    from described

)

select * from focus
