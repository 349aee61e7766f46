with

charges as (

    select * from {{ ref('int_charges__by_precedence') }}

),

scopes as (

    select distinct
        account,
        endpoint_id,
        pricing_unit,
        scope
    from {{ ref('int_commitments__scopes') }}

),

as_of as (

    select * from {{ ref('int_accounts__as_of') }}

),

usage as (

    -- What a prepaid commitment may pay for: the cost of the charge. An invoice has said already what it did not bill.
    select
        x_ChargeId as charge_id,
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        coalesce(ResourceId, SkuId, '') as endpoint_id,
        coalesce(PricingUnit, '') as pricing_unit,
        EffectiveCost as effective_cost,
        {{ quantity('coalesce(PricingQuantity, 0)') }} as pricing_quantity,
        coalesce(ContractedUnitPrice, 0) as contracted_unit_price,
        case
            when x_ChargeSource <> 'invoice' then EffectiveCost
            when EffectiveCost >= 0 then greatest(EffectiveCost - BilledCost, {{ money(0) }})
            else least(EffectiveCost - BilledCost, {{ money(0) }})
        end as prepayable_cost
    from charges
    -- a provider's file may have said itself what applies
    where ChargeCategory = 'Usage' and ContractApplied is null

),

in_blocks as (

    -- A block is a day's usage of one scope: the same commitments may pay for all of it. Within a block the order is by
    -- endpoint and charge, between blocks by day and scope: a total order, the same on any engine.
    select
        usage.charge_id,
        usage.account,
        usage.charge_date,
        scopes.scope,
        usage.effective_cost,
        usage.pricing_quantity,
        usage.contracted_unit_price,
        usage.prepayable_cost,
        {{ money('sum(usage.prepayable_cost) over running') }} as prepayable_so_far,
        {{ money('sum(usage.effective_cost) over running') }} as cost_so_far,
        {{ quantity('sum(usage.pricing_quantity) over running') }} as quantity_so_far
    from usage
    inner join scopes
        on
            usage.account = scopes.account
            and usage.endpoint_id = scopes.endpoint_id
            and usage.pricing_unit = scopes.pricing_unit
    inner join as_of on usage.account = as_of.account and usage.charge_date < as_of.as_of
    window running as (
        partition by usage.account, usage.charge_date, scopes.scope
        order by usage.endpoint_id asc, usage.charge_id asc
        rows between unbounded preceding and current row
    )

)

select * from in_blocks
