-- depends_on: {{ ref('focus_rules') }}
-- depends_on: {{ ref('focus_columns') }}
-- depends_on: {{ ref('focus_service_subcategories') }}
{%- set rules = focus_rules_of_both('commitments', 'ContractCommitment') -%}
{%- set row = {'row_id': 'ContractCommitmentId', 'is_provider_row': 'false'} %}
with

commitments as (

    select * from {{ ref('contract_commitment') }}

),

commitments_1_4 as (

    select * from {{ ref('focus_1_4__contract_commitment') }}

),

{{ focus_scoped_commitments('commitments_1_4') }},

{{ focus_scopes('commitments_1_4', 'ContractCommitmentId') }},

tallies_1_3 as (

    {{ focus_rule_tallies(rules['1.3'], ref('contract_commitment'), 'commitments', **row) }}

),

tallies_1_4 as (

    {{ focus_rule_tallies(rules['1.4'], ref('focus_1_4__contract_commitment'), 'scoped', **row) }}

),

tallies_of_scopes as (

    {{ focus_rule_tallies(
        focus_rules_in_scan('1.4', 'scopes', 'ContractCommitment'),
        ref('focus_1_4__contract_commitment'),
        'scopes',
        **row,
    ) }}

),

tallies as (

    select * from tallies_1_3
    union all
    select * from tallies_1_4
    union all
    select * from tallies_of_scopes

)

select * from tallies
