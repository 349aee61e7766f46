-- Nothing is applied beyond an amount, what prepaid commitments pay of a charge never exceeds it, what was paid is what
-- was applied and what is left, and ContractApplied says of each charge what the burn-down counts.
with

applied as (

    select * from {{ ref('int_usage__commitments_applied') }}

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
        (select coalesce(sum(applied), 0) from days) as applied_by_day

),

untied as (

    select
        'all' as id,
        'charges and burn-down do not tie' as finding
    from totals
    where applied_to_charges <> applied_by_day

),

said as (

    select
        x_ChargeId as charge_id,
        ContractApplied as contract_applied
    from mart
    where
        ContractApplied is not null
        and (x_ChargeSource = 'billing_events' or {{ is_added_to_row('ContractApplied') }})

),

to_say as (

    -- compared as text: an engine reads a JSON number as a double, and 18 decimals do not survive that
    select
        charge_id,
        {{ contract_applied(contract_applied_elements_agg(
            'contract_id', 'contract_commitment_id', 'applied_cost', 'applied_quantity', 'applied_unit'
        )) }} as contract_applied
    from applied
    group by charge_id

),

said_otherwise as (

    select
        coalesce(said.charge_id, to_say.charge_id) as id,
        'ContractApplied does not say what was applied' as finding
    from said
    full outer join to_say on said.charge_id = to_say.charge_id
    where
        said.charge_id is null
        or to_say.charge_id is null
        or said.contract_applied <> to_say.contract_applied

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
        'it is not billed at its cost less what is prepaid' as finding
    from mart
    left join prepaid on mart.x_ChargeId = prepaid.charge_id
    where
        mart.x_ChargeSource = 'billing_events'
        and mart.BilledCost <> mart.EffectiveCost - coalesce(prepaid.applied_cost, 0)

),

used_or_expired as (

    -- what was there at the start of a prepaid commitment that has ended, and what became of it
    select
        days.contract_commitment_id as id,
        'what was paid is not what was used and what expired' as finding
    from days
    left join mart
        on
            days.contract_commitment_id = mart.ResourceId
            and mart.x_ChargeSource = 'commitment'
            and mart.ChargeCategory = 'Usage'
    where
        days.commitment_date = {{ utc_date(utc_add('day', -1, 'days.end_day')) }}
        and days.is_known_so_far
        and days.contract_commitment_id in (
            select applied.contract_commitment_id from applied
            where applied.payment = 'prepaid'
        )
        and days.drawable_amount <> days.applied_so_far + coalesce(mart.EffectiveCost, 0)

)

select * from overdrawn
union all
select * from overpaid
union all
select * from untied
union all
select * from said_otherwise
union all
select * from misbilled
union all
select * from used_or_expired
