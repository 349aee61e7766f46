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
    where charge_category = 'Usage'

),

usage as (

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
    group by account, sub_account_id, sub_account_name, product_line, model_id, tags, charge_date

),

tag_members as (

    select
        tags,
        {{ json_members('tags') }} as members
    from (select distinct tags from usage) as distinct_tags
    where tags is not null

),

members as (

    {{ explode('tag_members', 'members', 'member', 'member_number') }}

),

tag_texts as (

    select
        tags,
        {{ comparable_key('member.key') }} as tag_key,
        {{ json_member_text("'{\"value\":' || member.json || '}'", 'value') }} as tag_value
    from members

),

tagged as (

    select distinct
        budgets.name,
        tag_texts.tags
    from budgets
    inner join tag_texts
        on
            budgets.tag_key = tag_texts.tag_key
            and {{ matches_glob('tag_texts.tag_value', 'budgets.tag_value') }}

),

matched as (

    -- Usage that several budgets match counts for each of them.
    select
        budgets.name,
        budgets.account,
        coalesce(budgets.product_line, 'all') as settled_line,
        usage.charge_date,
        {{ money('sum(usage.cost)') }} as cost
    from usage
    inner join budgets
        on
            usage.account = budgets.account
            and (budgets.product_line is null or usage.product_line = budgets.product_line)
            and (budgets.model is null or {{ matches_glob('usage.model_id', 'budgets.model') }})
            and (
                budgets.sub_account is null
                or {{ matches_glob('usage.sub_account_id', 'budgets.sub_account') }}
                or {{ matches_glob('usage.sub_account_name', 'budgets.sub_account') }}
            )
    left join tagged on budgets.name = tagged.name and usage.tags = tagged.tags
    where budgets.tag is null or tagged.name is not null
    group by budgets.name, budgets.account, budgets.product_line, usage.charge_date

)

select * from matched
