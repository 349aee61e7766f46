-- spent_cost of budget_status is the sum of daily_cost over the days of the period, to the last digit. Of the tags,
-- those that are columns of daily_cost are compared.
with

budgets as (

    select
        *,
        case {{ comparable_key("substr(tag, 1, instr(tag, '=') - 1)") }}
            when 'team' then 'team'
            when 'costcenter' then 'cost_center'
            when 'project' then 'project'
            when 'environment' then 'environment'
        end as tag_column,
        substr(tag, instr(tag, '=') + 1) as tag_value
    from {{ ref('budget_status') }}

),

costs as (

    -- Every period of every budget is compared with each row here. The keys and prices of a day need one row.
    select
        account,
        charge_date,
        product_line,
        model_id,
        sub_account_id,
        sub_account_name,
        team,
        cost_center,
        project,
        environment,
        sum(effective_cost) as effective_cost
    from {{ ref('daily_cost') }}
    where charge_category = 'Usage'
    group by
        account, charge_date, product_line, model_id, sub_account_id, sub_account_name, team, cost_center, project,
        environment

),

tied as (

    select
        budgets.name,
        budgets.period_starts_on,
        budgets.spent_cost,
        coalesce(sum(costs.effective_cost), 0) as daily_cost
    from budgets
    left join costs
        on
            budgets.account = costs.account
            and costs.charge_date between budgets.period_starts_on and budgets.period_ends_on
            and costs.product_line = coalesce(budgets.product_line, costs.product_line)
            and (budgets.model is null or {{ matches_glob('costs.model_id', 'budgets.model') }})
            and (
                budgets.sub_account is null
                or {{ matches_glob('costs.sub_account_id', 'budgets.sub_account') }}
                or {{ matches_glob('costs.sub_account_name', 'budgets.sub_account') }}
            )
            and (
                budgets.tag is null
                or {{ matches_glob(
                    "case budgets.tag_column
                        when 'team' then costs.team
                        when 'cost_center' then costs.cost_center
                        when 'project' then costs.project
                        when 'environment' then costs.environment
                    end", 'budgets.tag_value'
                ) }}
            )
    where budgets.tag is null or budgets.tag_column is not null
    group by budgets.name, budgets.period_starts_on, budgets.spent_cost

)

select
    name,
    period_starts_on,
    spent_cost,
    daily_cost
from tied
where spent_cost <> daily_cost
