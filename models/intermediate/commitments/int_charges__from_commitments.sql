{%- set service = product_lines()['model_apis'] -%}

with

terms as (

    select * from {{ ref('int_commitments__terms') }}
    where payment = 'prepaid'

),

days as (

    select * from {{ ref('int_commitments__by_day') }}

),

as_of as (

    select * from {{ ref('int_accounts__as_of') }}

),

accounts as (

    select * from {{ ref('int_accounts__named') }}

),

invoiced_purchases as (

    select * from {{ ref('int_commitments__purchases') }}

),

bought as (

    -- An invoice that has the row is not repeated.
    select
        terms.account,
        terms.contract_commitment_id,
        'Purchase' as charge_category,
        terms.period_start as charge_period_start,
        terms.period_end as charge_period_end,
        terms.committed_amount as amount,
        terms.committed_amount as billed_cost,
        {{ money(0) }} as effective_cost
    from terms
    inner join as_of on terms.account = as_of.account
    left join invoiced_purchases on terms.contract_commitment_id = invoiced_purchases.contract_commitment_id
    where terms.first_day < as_of.as_of and invoiced_purchases.contract_commitment_id is null

),

expired as (

    -- A credit has ended after its last day. It has expired once each of its days is known as well, because late
    -- usage could still draw on it. The rest is charged on the last day.
    select
        days.account,
        days.contract_commitment_id,
        'Usage' as charge_category,
        {{ utc_trunc('day', 'days.commitment_date') }} as charge_period_start,
        {{ utc_add('day', 1, utc_trunc('day', 'days.commitment_date')) }} as charge_period_end,
        days.remaining as amount,
        {{ money(0) }} as billed_cost,
        days.remaining as effective_cost
    from days
    inner join terms on days.contract_commitment_id = terms.contract_commitment_id
    where
        days.commitment_date = {{ utc_date(utc_add('day', -1, 'days.end_day')) }}
        and days.is_known_so_far
        and days.remaining > 0

),

made as (

    select * from bought
    union all
    select * from expired

),

described as (

    select
        made.*,
        terms.contract_id,
        terms.contract_commitment_type,
        terms.contract_commitment_description,
        terms.billing_currency,
        accounts.billing_account_id,
        accounts.billing_account_name,
        accounts.billing_account_type,
        {{ utc_trunc('month', 'made.charge_period_start') }} as billing_period_start,
        {{ quantity('made.amount') }} as quantity,
        {{ contract_applied_element(
            'terms.contract_id', 'made.contract_commitment_id', 'made.amount', 'made.amount', 'terms.billing_currency'
        ) }} as element
    from made
    inner join terms on made.contract_commitment_id = terms.contract_commitment_id
    inner join accounts on made.account = accounts.account

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
        charge_period_end as ChargePeriodEnd,
        billing_period_start as BillingPeriodStart,
        {{ utc_add('month', 1, 'billing_period_start') }} as BillingPeriodEnd,

        ---------- what
        charge_category as ChargeCategory,
        'One-Time' as ChargeFrequency,
        case
            when charge_category = 'Purchase' then 'Purchase of ' || lower(contract_commitment_type)
            else contract_commitment_type || ' expired unused'
        end as ChargeDescription,
        {{ service['ServiceCategory'] }} as ServiceCategory,
        {{ service['ServiceName'] }} as ServiceName,
        {{ service['ServiceSubcategory'] }} as ServiceSubcategory,
        contract_commitment_id as ResourceId,
        nullif(contract_commitment_description, contract_commitment_id) as ResourceName,
        contract_commitment_type as ResourceType,
        'fal-prepaid-credits' as SkuId,
        contract_commitment_type as SkuMeter,
        'fal-prepaid-credits|1' as SkuPriceId,
        {{ contract_applied('element') }} as ContractApplied,

        ---------- how much
        'Standard' as PricingCategory,
        quantity as PricingQuantity,
        billing_currency as PricingUnit,
        case when charge_category = 'Usage' then {{ quantity(0) }} end as ConsumedQuantity,
        case when charge_category = 'Usage' then billing_currency end as ConsumedUnit,

        ---------- at what price
        billing_currency as BillingCurrency,
        billing_currency as PricingCurrency,
        {{ money(1) }} as ListUnitPrice,
        {{ money(1) }} as ContractedUnitPrice,
        {{ money(1) }} as PricingCurrencyListUnitPrice,
        {{ money(1) }} as PricingCurrencyContractedUnitPrice,

        ---------- for how much
        -- price times quantity, as FOCUS requires: an amount can have more decimals than a quantity
        {{ money('quantity') }} as ListCost,
        {{ money('quantity') }} as ContractedCost,
        effective_cost as EffectiveCost,
        effective_cost as PricingCurrencyEffectiveCost,
        billed_cost as BilledCost,

        ---------- fal_focus
        account as x_Account,
        md5(concat_ws('|', 'commitment', charge_category, account, contract_commitment_id)) as x_ChargeId,
        'commitment' as x_ChargeSource,
        'Estimated' as x_ChargeStatus,
        {{ unattributed() }} as x_ProductLine,

        ---------- fal has no such value, or contracts do not state it
        {{ empty_focus_columns([
            'BilledCost', 'BillingAccountId', 'BillingAccountName', 'BillingAccountType', 'BillingCurrency',
            'BillingPeriodEnd', 'BillingPeriodStart', 'ChargeCategory', 'ChargeDescription', 'ChargeFrequency',
            'ChargePeriodEnd', 'ChargePeriodStart', 'ConsumedQuantity', 'ConsumedUnit', 'ContractApplied',
            'ContractedCost', 'ContractedUnitPrice', 'EffectiveCost', 'HostProviderName', 'InvoiceIssuerName',
            'ListCost', 'ListUnitPrice', 'PricingCategory', 'PricingCurrency', 'PricingCurrencyContractedUnitPrice',
            'PricingCurrencyEffectiveCost', 'PricingCurrencyListUnitPrice', 'PricingQuantity', 'PricingUnit',
            'ProviderName', 'PublisherName', 'ResourceId', 'ResourceName', 'ResourceType', 'ServiceCategory',
            'ServiceName', 'ServiceProviderName', 'ServiceSubcategory', 'SkuId', 'SkuMeter', 'SkuPriceId',
            'x_Account', 'x_ChargeId', 'x_ChargeSource', 'x_ChargeStatus', 'x_ProductLine',
        ]) }}

    from described

)

select * from focus
