with

budgets as (

    select
        *,
        coalesce(product_line, 'all') as settled_line,
        coalesce(starts_on, {{ first_day() }}) as first_day,
        coalesce(ends_on, {{ end_of_days() }}) as last_day
    from {{ ref('fal_budgets') }}

),

settled_days as (

    select * from {{ ref('int_charge_days__settled') }}

),

known_days as (

    select
        account,
        product_line,
        min(charge_date) as first_known_on,
        max(charge_date) as last_known_on,
        max(case when is_settled then charge_date end) as last_settled_on
    from settled_days
    group by account, product_line

),

days as (

    -- A budget that begins after the last known day has its first period.
    select
        budgets.name,
        settled_days.charge_date as day
    from budgets
    inner join settled_days
        on
            budgets.account = settled_days.account
            and budgets.settled_line = settled_days.product_line
            and budgets.first_day <= settled_days.charge_date
            and budgets.last_day >= settled_days.charge_date
    union all
    select
        budgets.name,
        budgets.first_day as day
    from budgets
    inner join known_days
        on
            budgets.account = known_days.account
            and budgets.settled_line = known_days.product_line
            and budgets.first_day > known_days.last_known_on

),

starts as (

    -- A year begins with the month in which the budget begins.
    select distinct
        budgets.name,
        case budgets.period
            when 'monthly' then {{ month_of('days.day') }}
            when 'yearly'
                then {{ utc_date(utc_add(
                    'month',
                    '-cast((extract(month from days.day) - extract(month from budgets.first_day) + 12) % 12 as int)',
                    month_of('days.day')
                )) }}
            else budgets.first_day
        end as starts_on
    from days
    inner join budgets on days.name = budgets.name

),

bounds as (

    select
        name,
        starts_on,
        {{ utc_date(utc_add('day', -1, utc_add('month', 1, 'starts_on'))) }} as month_ends_on,
        {{ utc_date(utc_add('day', -1, utc_add('month', 12, 'starts_on'))) }} as year_ends_on
    from starts

),

periods as (

    select
        ---------- ids
        budgets.name,
        budgets.account,
        budgets.settled_line,

        ---------- when (UTC)
        greatest(bounds.starts_on, budgets.first_day) as period_starts_on,
        least(
            case budgets.period
                when 'monthly' then bounds.month_ends_on
                when 'yearly' then bounds.year_ends_on
                else budgets.last_day
            end,
            budgets.last_day
        ) as period_ends_on,
        known_days.last_known_on,
        coalesce(
            {{ utc_date(utc_add('day', 1, 'known_days.last_settled_on')) }}, known_days.first_known_on
        ) as as_of,

        ---------- how much (USD)
        {{ money('budgets.amount_usd') }} as amount_usd

    from bounds
    inner join budgets on bounds.name = budgets.name
    inner join known_days
        on budgets.account = known_days.account and budgets.settled_line = known_days.product_line

)

select * from periods
