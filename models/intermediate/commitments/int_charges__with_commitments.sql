{{ config(materialized='view') }}

with

charges as (

    select * from {{ ref('int_charges__counted') }}

),

elements as (

    select * from {{ ref('int_usage__commitments_applied') }}

),

from_commitments as (

    select * from {{ ref('int_charges__from_commitments') }}

),

applied as (

    select
        charge_id,
        {{ contract_applied(contract_applied_elements_agg(
            'contract_id', 'contract_commitment_id', 'applied_cost', 'applied_quantity', 'applied_unit'
        )) }} as contract_applied,
        {{ money("sum(case when payment = 'prepaid' then applied_cost else 0 end)") }} as prepaid_cost
    from elements
    group by charge_id

),

drawn as (

    -- An invoice states what it bills and is not altered. Events and estimates bill what credits leave of the cost,
    -- or less if the estimate states less. x_Repairs lists what is added to a provider's row.
    select
        {{ all_focus_columns('charges', {
            'BilledCost': "case when charges.x_ChargeSource = 'invoice' or coalesce(applied.prepaid_cost, 0) = 0"
                ~ ' then charges.BilledCost'
                ~ ' when charges.EffectiveCost >= 0 then '
                ~ money('least(charges.BilledCost, charges.EffectiveCost - applied.prepaid_cost)')
                ~ ' else ' ~ money('greatest(charges.BilledCost, charges.EffectiveCost - applied.prepaid_cost)') ~ ' end',
            'ContractApplied': 'coalesce(charges.ContractApplied, applied.contract_applied)',
            'x_Repairs': "case when applied.contract_applied is not null and charges.x_ChargeSource in ('invoice', 'estimate')"
                ~ " then coalesce(substr(charges.x_Repairs, 1, length(charges.x_Repairs) - 1) || ',', '[')"
                ~ " || '\"ContractApplied\"]' else charges.x_Repairs end",
        }) }}
    from charges
    left join applied on charges.x_ChargeId = applied.charge_id

),

all_charges as (

    select * from drawn
    union all
    select
        {{ all_focus_columns() }}
    from from_commitments

)

select * from all_charges
