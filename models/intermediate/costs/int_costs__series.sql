with

costs as (

    select * from {{ ref('int_costs__by_owner') }}

),

costs_of_budgets as (

    select * from {{ ref('int_costs__of_budgets') }}

),

settled_days as (

    select * from {{ ref('int_charge_days__settled') }}

),

charges as (

    select * from {{ ref('int_costs__charges') }}
    where charge_category = 'Usage' and not is_set_aside

),

usage as (

    select
        account,
        product_line,
        charge_date,
        sum(effective_cost) as cost
    from costs
    where charge_category = 'Usage'
    group by account, product_line, charge_date

),

scoped as (

    -- A scope is complete on the days on which its line is settled.
    select
        account,
        'account' as scope_type,
        account as scope,
        'all' as settled_line,
        charge_date,
        cost
    from usage
    union all
    select
        account,
        'product_line' as scope_type,
        product_line as scope,
        product_line as settled_line,
        charge_date,
        cost
    from usage
    union all
    select
        account,
        'budget' as scope_type,
        name as scope,
        settled_line,
        charge_date,
        cost
    from costs_of_budgets

),

by_day as (

    select
        account,
        scope_type,
        scope,
        settled_line,
        charge_date,
        {{ money('sum(cost)') }} as cost
    from scoped
    group by account, scope_type, scope, settled_line, charge_date

),

last_settled_days as (

    select
        account,
        product_line,
        max(charge_date) as last_day
    from settled_days
    where is_settled
    group by account, product_line

),

scopes as (

    select
        by_day.account,
        by_day.scope_type,
        by_day.scope,
        by_day.settled_line,
        last_settled_days.last_day,
        min(by_day.charge_date) as first_day
    from by_day
    inner join last_settled_days
        on by_day.account = last_settled_days.account and by_day.settled_line = last_settled_days.product_line
    where by_day.cost <> 0
    group by
        by_day.account,
        by_day.scope_type,
        by_day.scope,
        by_day.settled_line,
        last_settled_days.last_day

),

costs_of_months as (

    select
        account,
        product_line,
        charge_month,
        sum(effective_cost) as cost,
        sum(case when is_longer_than_a_day then effective_cost else 0 end) as cost_of_longer_charges
    from charges
    group by account, product_line, charge_month

),

costs_of_all_lines as (

    select * from costs_of_months
    union all
    select
        account,
        'all' as product_line,
        charge_month,
        sum(cost) as cost,
        sum(cost_of_longer_charges) as cost_of_longer_charges
    from costs_of_months
    group by account, charge_month

),

months_without_days as (

    -- Where longer charges are more than a tenth of a month, the costs of its days are not known.
    select
        account,
        product_line,
        max(charge_month) as last_month
    from costs_of_all_lines
    where cost_of_longer_charges > cast(0.1 as decimal(2, 1)) * cost
    group by account, product_line

),

numbered as (

    select
        *,
        row_number() over (order by account, scope_type, scope) as series_number
    from scopes

),

series as (

    -- a day without a row cost nothing
    select
        numbered.series_number,
        numbered.account,
        numbered.scope_type,
        numbered.scope,
        settled_days.charge_date,
        {{ days_between(first_day(), 'settled_days.charge_date') }} as day_number,
        coalesce(by_day.cost, {{ money(0) }}) as cost,
        settled_days.is_settled
        and (
            months_without_days.last_month is null
            or {{ month_of('settled_days.charge_date') }} > months_without_days.last_month
        ) as is_complete
    from numbered
    inner join settled_days
        on
            numbered.account = settled_days.account
            and numbered.settled_line = settled_days.product_line
            and numbered.first_day <= settled_days.charge_date
            and numbered.last_day >= settled_days.charge_date
    left join by_day
        on
            numbered.account = by_day.account
            and numbered.scope_type = by_day.scope_type
            and numbered.scope = by_day.scope
            and settled_days.charge_date = by_day.charge_date
    left join months_without_days
        on
            numbered.account = months_without_days.account
            and numbered.settled_line = months_without_days.product_line

)

select * from series
