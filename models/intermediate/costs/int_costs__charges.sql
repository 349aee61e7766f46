{{ config(materialized='view') }}

with

counted as (

    select * from {{ ref('cost_and_usage') }}

),

set_aside as (

    select * from {{ ref('int_charges__set_aside') }}

),

aliases as (

    select * from {{ ref('int_tags__key_aliases') }}

),

charges as (

    select
        *,
        false as is_set_aside
    from counted
    union all
    select
        *,
        true as is_set_aside
    from set_aside

),

with_key_names as (

    -- A key has its alias of the day, so that labels of one key become one row.
    select
        charges.*,
        coalesce(aliases.key_alias, charges.x_AuthMethod) as key_name,
        charges.ChargeCategory = 'Usage' and charges.x_ChargeSource <> 'commitment' as is_usage
    from charges
    left join aliases
        on
            charges.x_Account = aliases.account
            and charges.x_ApiKeyId = aliases.api_key_id
            and {{ utc_date('charges.ChargePeriodStart') }} >= aliases.valid_from
            and {{ utc_date('charges.ChargePeriodStart') }} < aliases.valid_to

),

typed as (

    -- Only usage has a model, an owner and a price. The rest of an expired credit is Usage in FOCUS, but of no model.
    -- So it has a category of its own.
    select
        ---------- who
        x_Account as account,
        BillingAccountId as billing_account_id,
        SubAccountId as sub_account_id,
        SubAccountName as sub_account_name,
        case when is_usage then x_ApiKeyId end as key_id,
        case when is_usage then key_name end as key_name,
        case when is_usage then x_LoginUsername end as login,
        {{ adapter.quote('Tags') }} as tags,

        ---------- when (UTC)
        ChargePeriodStart as charge_period_start,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        {{ month_of('ChargePeriodStart') }} as charge_month,
        ChargePeriodEnd > {{ utc_add('day', 1, 'ChargePeriodStart') }} as is_longer_than_a_day,

        ---------- what
        case when ChargeCategory = 'Usage' and not is_usage then 'Expired Credit' else ChargeCategory end
            as charge_category,
        ChargeClass as charge_class,
        x_ProductLine as product_line,
        case when is_usage then coalesce(ResourceId, SkuId) end as model_id,
        case when is_usage then coalesce(ResourceName, ResourceId, SkuId) end as model_name,
        case when is_usage then PublisherName end as model_developer,

        ---------- at what price (USD)
        case when is_usage then PricingUnit end as unit,
        case when is_usage then ListUnitPrice end as list_unit_price,
        case when is_usage then ContractedUnitPrice end as contracted_unit_price,

        ---------- how much
        x_RequestCount as request_count,
        PricingQuantity as quantity,
        ListCost as list_cost,
        ContractedCost as contracted_cost,
        EffectiveCost as effective_cost,
        BilledCost as billed_cost,

        ---------- where from
        x_ChargeSource as charge_source,
        x_ChargeStatus as charge_status,
        is_set_aside,
        {{ is_ordinary_usage() }} and x_ChargeSource = 'invoice' as is_invoiced_usage

    from with_key_names

)

select * from typed
