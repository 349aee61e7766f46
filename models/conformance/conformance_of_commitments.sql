-- depends_on: {{ ref('focus_rules') }}
-- depends_on: {{ ref('focus_columns') }}
-- depends_on: {{ ref('focus_service_subcategories') }}
with

commitments as (

    select * from {{ ref('contract_commitment') }}

),

commitments_1_4 as (

    select * from {{ ref('focus_1_4__contract_commitment') }}

),

{{ focus_scoped_commitments('commitments_1_4') }},

tallies_1_3 as (

    {{ focus_rule_tallies(
        focus_rules_in_scan('1.3', 'commitments', 'ContractCommitment'),
        mart=ref('contract_commitment'),
        relation='commitments',
        row_id='ContractCommitmentId',
        is_provider_row='false',
    ) }}

),

tallies_1_4 as (

    {{ focus_rule_tallies(
        focus_rules_in_scan('1.4', 'commitments', 'ContractCommitment'),
        mart=ref('focus_1_4__contract_commitment'),
        relation='scoped',
        row_id='ContractCommitmentId',
        is_provider_row='false',
    ) }}

),

tallies as (

    select * from tallies_1_3
    union all
    select * from tallies_1_4

)

select * from tallies
