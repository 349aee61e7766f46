-- depends_on: {{ ref('focus_rules') }}
-- depends_on: {{ ref('focus_columns') }}
-- depends_on: {{ ref('focus_service_subcategories') }}
with

charges as (

    select * from {{ ref('cost_and_usage') }}

),

tallies as (

    {{ focus_rule_tallies(
        scan='charges',
        dataset='CostAndUsage',
        mart=ref('cost_and_usage'),
        relation='charges',
        row_id='x_ChargeId',
        is_provider_row="x_ChargeSource in ('invoice', 'estimate')",
        ours_too={'ContractApplied': is_added_to_row('ContractApplied')},
    ) }}

)

select * from tallies
