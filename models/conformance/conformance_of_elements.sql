-- depends_on: {{ ref('focus_rules') }}
-- depends_on: {{ ref('focus_columns') }}
-- depends_on: {{ ref('focus_service_subcategories') }}
{%- set rules = focus_rules_of_both('elements', 'CostAndUsage') -%}
{%- set row = {
    'row_id': 'x_ChargeId',
    'is_provider_row': "x_ChargeSource in ('invoice', 'estimate') and not is_added",
} %}
with

charges as (

    select * from {{ ref('cost_and_usage') }}

),

charges_1_4 as (

    select * from {{ ref('focus_1_4__cost_and_usage') }}

),

{{ focus_elements('charges', 'elements', '1.3') }},

{{ focus_elements('charges_1_4', 'elements_1_4', '1.4') }},

tallies_1_3 as (

    {{ focus_rule_tallies(rules['1.3'], ref('cost_and_usage'), 'elements', **row) }}

),

tallies_1_4 as (

    {{ focus_rule_tallies(rules['1.4'], ref('focus_1_4__cost_and_usage'), 'elements_1_4', **row) }}

),

tallies as (

    select * from tallies_1_3
    union all
    select * from tallies_1_4

)

select * from tallies
