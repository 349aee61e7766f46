with

charges as (

    select * from {{ ref('int_charges__counted') }}

),

scopes as (

    select * from {{ ref('int_commitments__scopes') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

as_of as (

    select * from {{ ref('int_accounts__as_of') }}

),

usage as (

    -- A credit can pay the cost of a charge. An invoice states what it bills, so a credit can pay what the invoice
    -- leaves unbilled: at most the cost, and never against the sign of the cost. A file that fills ContractApplied
    -- has applied commitments already.
    select
        x_ChargeId as charge_id,
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        x_ProductLine as product_line,
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
    where ChargeCategory = 'Usage' and ContractApplied is null

),

endpoints_in_scope as (

    select distinct
        account,
        endpoint_id,
        pricing_unit
    from scopes

),

usage_in_scope as (

    select usage.*
    from usage
    inner join endpoints_in_scope
        on
            usage.account = endpoints_in_scope.account
            and usage.endpoint_id = endpoints_in_scope.endpoint_id
            and usage.pricing_unit = endpoints_in_scope.pricing_unit
    inner join as_of on usage.account = as_of.account and usage.charge_date < as_of.as_of

),

endpoint_days as (

    select distinct
        account,
        charge_date,
        endpoint_id
    from usage_in_scope

),

active_credits as (

    -- how many credits can pay for the usage of an endpoint on a day
    select
        endpoint_days.account,
        endpoint_days.charge_date,
        endpoint_days.endpoint_id,
        count(distinct terms.contract_commitment_id) as credit_count
    from endpoint_days
    inner join scopes
        on endpoint_days.account = scopes.account and endpoint_days.endpoint_id = scopes.endpoint_id
    inner join terms
        on
            scopes.contract_commitment_id = terms.contract_commitment_id
            and {{ is_active_on('endpoint_days.charge_date', 'terms') }}
    where terms.payment = 'prepaid'
    group by endpoint_days.account, endpoint_days.charge_date, endpoint_days.endpoint_id

),

ordered as (

    -- Days come one after the other. Within a day, usage that fewer credits can pay for comes first: little else can
    -- pay for it. The id of the charge makes the order total, so that every engine applies the same amounts.
    select
        usage_in_scope.*,
        cast(row_number() over (
            partition by usage_in_scope.account
            order by
                usage_in_scope.charge_date asc,
                coalesce(active_credits.credit_count, 0) asc,
                usage_in_scope.endpoint_id asc,
                usage_in_scope.charge_id asc
        ) as bigint) as usage_number
    from usage_in_scope
    left join active_credits
        on
            usage_in_scope.account = active_credits.account
            and usage_in_scope.charge_date = active_credits.charge_date
            and usage_in_scope.endpoint_id = active_credits.endpoint_id

)

select * from ordered
