with

charges as (

    select * from {{ ref('int_charges__counted') }}

),

covered as (

    select distinct
        account,
        endpoint_id,
        pricing_unit
    from {{ ref('int_commitments__scopes') }}

),

as_of as (

    select * from {{ ref('int_accounts__as_of') }}

),

usage as (

    -- What a prepaid commitment may pay for: the cost of the charge. An invoice states what it bills, so at most what
    -- it does not bill is drawn, never more than the cost and never against its sign.
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
            when EffectiveCost >= 0
                then least(greatest(EffectiveCost - BilledCost, {{ money(0) }}), EffectiveCost)
            else greatest(least(EffectiveCost - BilledCost, {{ money(0) }}), EffectiveCost)
        end as prepayable_cost
    from charges
    -- a provider's file may have said itself what applies
    where ChargeCategory = 'Usage' and ContractApplied is null

),

in_blocks as (

    -- A block is a day's usage of one endpoint: the same prepaid commitments cover all of it. Within a block charges
    -- are in the order of their ids, so the order of all charges is total and the same on any engine.
    select
        usage.charge_id,
        usage.account,
        usage.charge_date,
        usage.endpoint_id,
        usage.pricing_unit,
        usage.effective_cost,
        usage.pricing_quantity,
        usage.contracted_unit_price,
        usage.prepayable_cost,
        {{ money('sum(usage.prepayable_cost) over of_the_block') }} as prepayable_so_far,
        {{ money('sum(usage.effective_cost) over of_the_block') }} as cost_so_far,
        {{ quantity('sum(usage.pricing_quantity) over of_the_unit') }} as quantity_so_far
    from usage
    inner join covered
        on
            usage.account = covered.account
            and usage.endpoint_id = covered.endpoint_id
            and usage.pricing_unit = covered.pricing_unit
    inner join as_of on usage.account = as_of.account and usage.charge_date < as_of.as_of
    window of_the_block as (
        partition by usage.account, usage.charge_date, usage.endpoint_id
        order by usage.charge_id asc
        rows between unbounded preceding and current row
    ),
    of_the_unit as (
        partition by usage.account, usage.charge_date, usage.endpoint_id, usage.pricing_unit
        order by usage.charge_id asc
        rows between unbounded preceding and current row
    )

)

select * from in_blocks
