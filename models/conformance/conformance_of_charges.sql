-- depends_on: {{ ref('focus_rules') }}
-- depends_on: {{ ref('focus_columns') }}
-- depends_on: {{ ref('focus_service_subcategories') }}
-- depends_on: {{ ref('focus_1_4__invoice_detail') }}
{%- set rules = focus_rules_of_both('charges', 'CostAndUsage') -%}
{%- set ours_too = {'ContractApplied': is_added_to_row('ContractApplied')} %}
{%- set row = {'row_id': 'x_ChargeId', 'is_provider_row': "x_ChargeSource in ('invoice', 'estimate')"} %}
with

charges as (

    select * from {{ ref('cost_and_usage') }}

),

charges_1_4 as (

    select * from {{ ref('focus_1_4__cost_and_usage') }}

),

tallies_1_3 as (

    {{ focus_rule_tallies(rules['1.3'], ref('cost_and_usage'), 'charges', ours_too=ours_too, **row) }}

),

tallies_1_4 as (

    {%- do ours_too.update({'InvoiceDetailId': 'true'}) %}
    {{ focus_rule_tallies(
        rules['1.4'], ref('focus_1_4__cost_and_usage'), 'charges_1_4', ours_too=ours_too, **row
    ) }}

),

tallies as (

    select * from tallies_1_3
    union all
    select * from tallies_1_4

)

select * from tallies
