with

budgets as (

    select * from {{ ref('fal_budgets') }}

),

days as (

    select * from {{ ref('int_budgets__by_day') }}

),

forecast as (

    select * from {{ ref('cost_forecast') }}
    where scope_type = 'budget'

),

learned as (

    select
        scope as name,
        max(learned_days) as learned_days
    from forecast
    group by scope

),

months as (

    -- how far the bounds of a month are from what is expected
    select
        scope as name,
        charge_month,
        count(*) as days,
        {{ money('max(month_expected_cost) - max(month_lower_cost)') }} as lower_distance,
        {{ money('max(month_upper_cost) - max(month_expected_cost)') }} as upper_distance
    from forecast
    where status = 'forecast'
    group by scope, charge_month

),

periods as (

    select
        name,
        account,
        period_starts_on,
        period_ends_on,
        as_of,
        last_known_on,
        amount_usd,
        {{ money('sum(cost)') }} as spent_cost,
        {{ money('max(case when charge_date = period_ends_on then expected_so_far end)') }} as expected_cost,
        min(case when cost_so_far > amount_usd then charge_date end) as over_on,
        sum(case when charge_date < as_of and not is_settled then 1 else 0 end) as missing_days
    from days
    group by name, account, period_starts_on, period_ends_on, as_of, last_known_on, amount_usd

),

forecast_days as (

    select
        name,
        period_starts_on,
        forecast_month,
        count(*) as days
    from days
    where forecast_month is not null
    group by name, period_starts_on, forecast_month

),

distances as (

    -- A part of a month has the same part of its distance. Errors of months add up, because a wrong level lasts.
    select
        forecast_days.name,
        forecast_days.period_starts_on,
        {{ money('sum(' ~ rounded_quotient('months.lower_distance * forecast_days.days', 'months.days') ~ ')') }}
            as lower_distance,
        {{ money('sum(' ~ rounded_quotient('months.upper_distance * forecast_days.days', 'months.days') ~ ')') }}
            as upper_distance
    from forecast_days
    inner join months
        on forecast_days.name = months.name and forecast_days.forecast_month = months.charge_month
    group by forecast_days.name, forecast_days.period_starts_on

),

with_bounds as (

    select
        periods.*,
        greatest(
            {{ money('periods.expected_cost - coalesce(distances.lower_distance, 0)') }}, periods.spent_cost
        ) as lower_bound,
        greatest(
            {{ money('periods.expected_cost + coalesce(distances.upper_distance, 0)') }}, periods.spent_cost
        ) as upper_bound,
        {{ days_between('periods.period_starts_on', 'periods.period_ends_on') }} + 1 as period_days,
        {{ days_between('periods.period_starts_on', 'periods.last_known_on') }} + 1 as known_days
    from periods
    left join distances
        on periods.name = distances.name and periods.period_starts_on = distances.period_starts_on

),

budget_status as (

    select
        ---------- ids
        with_bounds.name,
        with_bounds.account,
        budgets.sub_account,
        budgets.product_line,
        budgets.model,
        budgets.tag,
        budgets.period,

        ---------- when (UTC)
        with_bounds.period_starts_on,
        with_bounds.period_ends_on,
        row_number() over (partition by with_bounds.name order by with_bounds.period_starts_on desc) = 1 as is_latest,

        ---------- of the period (USD)
        with_bounds.amount_usd,
        with_bounds.spent_cost,
        with_bounds.expected_cost,
        case when with_bounds.expected_cost is not null then with_bounds.lower_bound end as lower_cost,
        case when with_bounds.expected_cost is not null then with_bounds.upper_bound end as upper_cost,

        ---------- shares
        {{ percent_of('with_bounds.spent_cost', 'with_bounds.amount_usd') }} as spent_percent,
        {{ percent_of('with_bounds.expected_cost', 'with_bounds.amount_usd') }} as expected_percent,
        {{ percent_of(
            'least(greatest(with_bounds.known_days, 0), with_bounds.period_days)', 'with_bounds.period_days'
        ) }} as time_percent,

        ---------- what it is from
        with_bounds.over_on,
        with_bounds.last_known_on,
        with_bounds.as_of,
        cast(with_bounds.missing_days as integer) as missing_days,
        cast(coalesce(learned.learned_days, 0) as integer) as learned_days,
        case
            when with_bounds.spent_cost > with_bounds.amount_usd then 'over'
            when with_bounds.period_ends_on < with_bounds.as_of then 'kept'
            when with_bounds.expected_cost is null then 'too few days'
            when with_bounds.expected_cost > with_bounds.amount_usd then 'expected over'
            when with_bounds.upper_bound > with_bounds.amount_usd then 'at risk'
            else 'on track'
        end as status

    from with_bounds
    inner join budgets on with_bounds.name = budgets.name
    left join learned on with_bounds.name = learned.name

)

select * from budget_status
