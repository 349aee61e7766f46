-- depends_on: {{ ref('focus_rules') }}
-- depends_on: {{ ref('focus_columns') }}
-- depends_on: {{ ref('focus_service_subcategories') }}
with

charges as (

    select * from {{ ref('cost_and_usage') }}

),

{{ focus_elements('charges') }},

tallies as (

    {{ focus_rule_tallies(
        scan='elements',
        dataset='CostAndUsage',
        mart=ref('cost_and_usage'),
        relation='elements',
        row_id='x_ChargeId',
        is_provider_row="x_ChargeSource in ('invoice', 'estimate') and not is_added",
    ) }}

)

select * from tallies
