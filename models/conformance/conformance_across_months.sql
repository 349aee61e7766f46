-- depends_on: {{ ref('focus_rules') }}
-- depends_on: {{ ref('focus_columns') }}
-- depends_on: {{ ref('focus_service_subcategories') }}
{%- set rules_of_charges = focus_rules_of_both('charges', 'CostAndUsage', compares_rows=true) -%}
{%- set rules_of_elements = focus_rules_of_both('elements', 'CostAndUsage', compares_rows=true) %}
with

charges as (

    select * from {{ ref('cost_and_usage') }}

),

charges_1_4 as (

    select * from {{ ref('focus_1_4__cost_and_usage') }}

),

{{ focus_elements('charges', 'elements', '1.3') }},

{{ focus_elements('charges_1_4', 'elements_1_4', '1.4') }},

charges_1_3_tallies as (

    {{ focus_rule_tallies(
        rules_of_charges['1.3'], ref('cost_and_usage'), 'charges', **focus_scan_of_charges()
    ) }}

),

charges_1_4_tallies as (

    {{ focus_rule_tallies(
        rules_of_charges['1.4'], ref('focus_1_4__cost_and_usage'), 'charges_1_4', **focus_scan_of_charges()
    ) }}

),

elements_1_3_tallies as (

    {{ focus_rule_tallies(
        rules_of_elements['1.3'], ref('cost_and_usage'), 'elements', **focus_scan_of_elements()
    ) }}

),

elements_1_4_tallies as (

    {{ focus_rule_tallies(
        rules_of_elements['1.4'], ref('focus_1_4__cost_and_usage'), 'elements_1_4', **focus_scan_of_elements()
    ) }}

),

tallies as (

    select * from charges_1_3_tallies
    union all
    select * from charges_1_4_tallies
    union all
    select * from elements_1_3_tallies
    union all
    select * from elements_1_4_tallies

)

select * from tallies
