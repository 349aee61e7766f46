-- No more is applied to a commitment than its amount. Prepaid commitments never pay more than a charge costs. When a
-- credit has expired, its amount equals what was applied plus the rest. ContractApplied has what was applied.
with

applied as (

    select * from {{ ref('int_usage__commitments_applied') }}

),

days as (

    select * from {{ ref('int_commitments__by_day') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

mart as (

    select * from {{ ref('cost_and_usage') }}

),

overdrawn as (

    select
        contract_commitment_id as id,
        'its remaining amount is below 0 or above its amount' as finding
    from days
    where remaining < 0 or remaining > drawable_amount

),

overpaid as (

    select
        applied.charge_id as id,
        'prepaid commitments pay more than the charge costs' as finding
    from applied
    inner join mart on applied.charge_id = mart.x_ChargeId
    where applied.payment = 'prepaid' and mart.EffectiveCost > 0
    group by applied.charge_id, mart.EffectiveCost
    having sum(applied.applied_cost) > mart.EffectiveCost

),

totals as (

    select
        (select coalesce(sum(applied_quantity), 0) from applied) as applied_to_charges,
        (select coalesce(sum(applied), 0) from days) as applied_by_day

),

untied as (

    select
        'all' as id,
        'charges and burn-down differ' as finding
    from totals
    where applied_to_charges <> applied_by_day

),

published_elements as (

    select
        x_ChargeId as charge_id,
        ContractApplied as contract_applied
    from mart
    where
        ContractApplied is not null
        and (x_ChargeSource in ('billing_events', 'serverless_usage') or {{ is_added_to_row('ContractApplied') }})

),

expected_elements as (

    -- compared as text, because engines parse a JSON number as a double, which does not keep 18 decimals
    select
        charge_id,
        {{ contract_applied(contract_applied_elements_agg(
            'contract_id', 'contract_commitment_id', 'applied_cost', 'applied_quantity', 'applied_unit'
        )) }} as contract_applied
    from applied
    group by charge_id

),

wrong_contract_applied as (

    select
        coalesce(published_elements.charge_id, expected_elements.charge_id) as id,
        'ContractApplied differs from what was applied' as finding
    from published_elements
    full outer join expected_elements on published_elements.charge_id = expected_elements.charge_id
    where
        published_elements.charge_id is null
        or expected_elements.charge_id is null
        or published_elements.contract_applied <> expected_elements.contract_applied

),

prepaid as (

    select
        charge_id,
        sum(applied_cost) as applied_cost
    from applied
    where payment = 'prepaid'
    group by charge_id

),

misbilled as (

    select
        mart.x_ChargeId as id,
        'its BilledCost is not its EffectiveCost less the prepaid part' as finding
    from mart
    left join prepaid on mart.x_ChargeId = prepaid.charge_id
    where
        mart.x_ChargeSource in ('billing_events', 'serverless_usage')
        and mart.BilledCost <> mart.EffectiveCost - coalesce(prepaid.applied_cost, 0)

),

used_or_expired as (

    -- a credit that is known to its end: its amount equals what was applied plus what expired
    select
        days.contract_commitment_id as id,
        'its amount is not what was used plus what expired' as finding
    from days
    inner join terms on days.contract_commitment_id = terms.contract_commitment_id
    left join mart
        on
            days.contract_commitment_id = mart.ResourceId
            and mart.x_ChargeSource = 'commitment'
            and mart.ChargeCategory = 'Usage'
    where
        days.commitment_date = {{ utc_date(utc_add('day', -1, 'days.end_day')) }}
        and days.is_known_so_far
        and terms.payment = 'prepaid'
        and days.drawable_amount <> days.applied_so_far + coalesce(mart.EffectiveCost, 0)

)

select * from overdrawn
union all
select * from overpaid
union all
select * from untied
union all
select * from wrong_contract_applied
union all
select * from misbilled
union all
select * from used_or_expired
