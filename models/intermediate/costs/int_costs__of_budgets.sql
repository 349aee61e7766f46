with

budgets as (

    select
        *,
        {{ comparable_key("substr(tag, 1, instr(tag, '=') - 1)") }} as tag_key,
        substr(tag, instr(tag, '=') + 1) as tag_value
    from {{ ref('fal_budgets') }}

),

costs as (

    select * from {{ ref('int_costs__by_owner') }}

),

members as (

    select * from {{ ref('int_tags__members') }}

),

daily_usage as (

    -- few rows to compare with each budget
    select
        account,
        sub_account_id,
        sub_account_name,
        product_line,
        model_id,
        tags,
        charge_date,
        sum(effective_cost) as cost
    from costs
    where charge_category = 'Usage'
    group by account, sub_account_id, sub_account_name, product_line, model_id, tags, charge_date

),

tagged as (

    select
        budgets.name,
        members.tags
    from budgets
    inner join members
        on budgets.tag_key = members.tag_key and {{ matches_glob('members.tag_value', 'budgets.tag_value') }}

),

matched as (

    -- Usage that several budgets match counts for each of them.
    select
        budgets.name,
        budgets.account,
        coalesce(budgets.product_line, 'all') as settled_line,
        daily_usage.charge_date,
        {{ money('sum(daily_usage.cost)') }} as cost
    from daily_usage
    inner join budgets
        on
            daily_usage.account = budgets.account
            and (budgets.product_line is null or daily_usage.product_line = budgets.product_line)
            and (budgets.model is null or {{ matches_glob('daily_usage.model_id', 'budgets.model') }})
            and (
                budgets.sub_account is null
                or {{ matches_glob('daily_usage.sub_account_id', 'budgets.sub_account') }}
                or {{ matches_glob('daily_usage.sub_account_name', 'budgets.sub_account') }}
            )
    left join tagged on budgets.name = tagged.name and daily_usage.tags = tagged.tags
    where budgets.tag is null or tagged.name is not null
    group by budgets.name, budgets.account, budgets.product_line, daily_usage.charge_date

)

select * from matched
