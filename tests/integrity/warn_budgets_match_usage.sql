-- Budgets of seeds/fal_budgets.csv that no usage of their account matches, so that nothing counts against them, and
-- budgets that end before the first known day, which have no row in budget_status. Correct a condition or a date, or
-- remove the budget. Budgets of accounts without loads are not reported: the seed of the repository has those of the
-- sample.
{{ config(severity='warn') }}

with

matched as (

    select distinct name from {{ ref('int_costs__of_budgets') }}

),

with_periods as (

    select distinct name from {{ ref('int_budgets__periods') }}

)

select
    budgets.name,
    case
        when with_periods.name is null
            then 'it ends before the first known day: correct ends_on or remove the budget'
        else 'no usage matches: check its sub_account, product_line, model and tag'
    end as finding
from {{ ref('fal_budgets') }} as budgets
inner join {{ ref('int_accounts__as_of') }} as accounts on budgets.account = accounts.account
left join matched on budgets.name = matched.name
left join with_periods on budgets.name = with_periods.name
where matched.name is null or with_periods.name is null
