-- Budgets of seeds/fal_budgets.csv that no usage matches, so that nothing counts against them. Correct a condition, or
-- remove the budget. A budget for usage to come keeps the warning until the usage lands.
{{ config(severity='warn') }}

select
    budgets.name,
    'no usage matches: check its account, sub_account, product_line, model and tag' as finding
from {{ ref('fal_budgets') }} as budgets
left join {{ ref('int_costs__of_budgets') }} as costs on budgets.name = costs.name
where costs.name is null
