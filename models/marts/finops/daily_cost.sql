with

charges as (

    select * from {{ ref('cost_and_usage') }}

),

aliases as (

    select * from {{ ref('int_tags__key_aliases') }}

),

endpoints as (

    select * from {{ ref('int_endpoints__described') }}

),

known_days as (

    select * from {{ ref('int_charge_days__known') }}

),

flagged as (

    select
        *,
        ChargeCategory = 'Usage' and x_ChargeSource <> 'commitment' as is_usage
    from charges

),

days as (

    -- The rest of a credit that expired is Usage in FOCUS, but of no model. It has a category of its own here.
    select
        x_Account as account,
        BillingAccountId as billing_account_id,
        SubAccountId as sub_account_id,
        SubAccountName as sub_account_name,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        case when ChargeCategory = 'Usage' and not is_usage then 'Expired Credit' else ChargeCategory end
            as charge_category,
        ChargeClass as charge_class,
        x_ProductLine as product_line,
        case when is_usage then coalesce(ResourceId, SkuId) end as model_id,
        case when is_usage then coalesce(ResourceName, ResourceId, SkuId) end as model_name,
        case when is_usage then PublisherName end as model_developer,
        case when is_usage then x_ApiKeyId end as key_id,
        case when is_usage then x_AuthMethod end as auth_method,
        case when is_usage then x_LoginUsername end as login,
        {{ adapter.quote('Tags') }} as tags,
        case when is_usage then PricingUnit end as unit,
        case when is_usage then ListUnitPrice end as list_unit_price,
        case when is_usage then ContractedUnitPrice end as contracted_unit_price,
        x_ChargeSource as charge_source,
        x_ChargeStatus as charge_status,
        sum(x_RequestCount) as request_count,
        sum(PricingQuantity) as quantity,
        sum(ListCost) as list_cost,
        sum(ContractedCost) as contracted_cost,
        sum(EffectiveCost) as effective_cost,
        sum(BilledCost) as billed_cost
    from flagged
    group by all

),

named as (

    select
        ---------- ids
        days.account,
        days.billing_account_id,
        days.sub_account_id,
        days.sub_account_name,

        ---------- when (UTC)
        days.charge_date,
        {{ month_of('days.charge_date') }} as charge_month,

        ---------- what
        days.charge_category,
        days.charge_class,
        days.product_line,
        days.model_id,
        days.model_name,
        endpoints.modality,
        days.model_developer,

        ---------- who
        days.key_id,
        coalesce(aliases.key_alias, days.auth_method) as key_name,
        days.login,
        days.tags,
        {{ json_member_text('days.tags', 'Team') }} as team,
        {{ json_member_text('days.tags', 'CostCenter') }} as cost_center,
        {{ json_member_text('days.tags', 'Project') }} as project,
        {{ json_member_text('days.tags', 'Environment') }} as environment,

        ---------- at what price (USD)
        days.unit,
        days.list_unit_price,
        days.contracted_unit_price,

        ---------- how much
        cast(sum(days.request_count) as bigint) as request_count,
        {{ quantity('coalesce(sum(days.quantity), 0)') }} as quantity,
        {{ money('coalesce(sum(days.list_cost), 0)') }} as list_cost,
        {{ money('coalesce(sum(days.contracted_cost), 0)') }} as contracted_cost,
        {{ money('sum(days.effective_cost)') }} as effective_cost,
        {{ money('sum(days.billed_cost)') }} as billed_cost,

        ---------- where from
        days.charge_source,
        days.charge_status,
        coalesce(known_days.is_complete, false) as is_complete

    from days
    left join aliases
        on
            days.account = aliases.account
            and days.key_id = aliases.api_key_id
            and days.charge_date >= aliases.valid_from
            and days.charge_date < aliases.valid_to
    left join endpoints
        on
            days.account = endpoints.account
            and days.model_id = endpoints.endpoint_id
            and days.charge_date >= endpoints.valid_from
            and days.charge_date < endpoints.valid_to
    left join known_days on days.account = known_days.account and days.charge_date = known_days.charge_date
    group by all

)

select * from named
