-- depends_on: {{ ref('focus_rules') }}
-- depends_on: {{ ref('focus_columns') }}
-- depends_on: {{ ref('focus_service_subcategories') }}
with

commitments as (

    select * from {{ ref('contract_commitment') }}

),

tallies as (

    {{ focus_rule_tallies(
        scan='commitments',
        dataset='ContractCommitment',
        mart=ref('contract_commitment'),
        relation='commitments',
        row_id='ContractCommitmentId',
        is_provider_row='false',
    ) }}

)

select * from tallies
