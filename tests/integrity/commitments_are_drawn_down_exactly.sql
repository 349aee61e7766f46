-- Nothing is applied beyond an amount, what prepaid commitments pay of a charge never exceeds it, what was paid is what
-- was applied and what is left, and ContractApplied says of each charge what the burn-down counts.
with

applied as (

    select * from {{ ref('int_charges__commitments_applied') }}

),

days as (

    select * from {{ ref('int_commitments__by_day') }}

),

mart as (

    select * from {{ ref('cost_and_usage') }}

),

overdrawn as (

    select
        contract_commitment_id as id,
        'more or less than nothing is left of it' as finding
    from days
    where remaining < 0 or remaining > drawable_amount

),

overpaid as (

    select
        applied.charge_id as id,
        'prepaid commitments pay more than it costs' as finding
    from applied
    inner join mart on applied.charge_id = mart.x_ChargeId
    where applied.payment = 'prepaid' and mart.EffectiveCost > 0
    group by applied.charge_id, mart.EffectiveCost
    having sum(applied.applied_cost) > mart.EffectiveCost

),

totals as (

    select
        (select coalesce(sum(applied_quantity), 0) from applied) as applied_to_charges,
        (select coalesce(sum(applied), 0) from days) as applied_by_day,
        (select count(distinct charge_id) from applied) as charges_applied_to,
        (
            select count(*) from mart
            where ContractApplied is not null and x_ChargeSource <> 'commitment'
        ) as charges_that_say_so

),

untied as (

    select
        'all' as id,
        'charges and burn-down do not tie' as finding
    from totals
    where applied_to_charges <> applied_by_day or charges_applied_to > charges_that_say_so

)

select * from overdrawn
union all
select * from overpaid
union all
select * from untied
