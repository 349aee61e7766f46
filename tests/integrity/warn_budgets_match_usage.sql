-- Budgets of seeds/fal_budgets.csv that no usage of their account matches, so that nothing counts against them. Correct
-- a condition, or remove the budget. Budgets of accounts without loads are not reported: the seed of the repository
-- has those of the sample.
{{ config(severity='warn') }}

select
    budgets.name,
    'no usage matches: check its sub_account, product_line, model and tag' as finding
from {{ ref('fal_budgets') }} as budgets
inner join {{ ref('int_accounts__as_of') }} as accounts on budgets.account = accounts.account
left join {{ ref('int_costs__of_budgets') }} as costs on budgets.name = costs.name
where costs.name is null
