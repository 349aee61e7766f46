{{ config(schema='intermediate') }}

with

costs as (

    select * from {{ ref('int_anomalies__series') }}

),

settled_days as (

    select * from {{ ref('int_charge_days__settled') }}

),

complete_days as (

    select
        account,
        product_line,
        charge_date,
        {{ days_between(first_day(), 'charge_date') }} as day_number
    from settled_days
    where is_settled

),

series as (

    -- A series that never costs as much on a day as the least anomaly needs no expectation.
    select
        account,
        scope_type,
        scope,
        max(days_of_line) as days_of_line
    from costs
    group by account, scope_type, scope
    having max(effective_cost) >= {{ least_anomaly_usd() }}

),

days as (

    -- A complete day without cost has 0, also before the first use: a launch differs from an expectation of 0.
    select
        series.account,
        series.scope_type,
        series.scope,
        complete_days.charge_date,
        complete_days.day_number,
        complete_days.day_number % 7 as weekday,
        coalesce(costs.effective_cost, {{ money(0) }}) as effective_cost,
        greatest(cast(coalesce(costs.effective_cost, {{ money(0) }}) as double), 0e0) as cost,
        coalesce(costs.changed_cost, 0e0) as changed_cost
    from series
    inner join complete_days
        on series.account = complete_days.account and series.days_of_line = complete_days.product_line
    left join costs
        on
            series.account = costs.account
            and series.scope_type = costs.scope_type
            and series.scope = costs.scope
            and complete_days.day_number = costs.day_number

),

levels as (

    -- Whole weeks have each weekday equally often, so their median does not depend on the weekday.
    select
        *,
        count(*) over so_far as learned_days,
        {{ median_over('cost', 'three_weeks') }} as level,
        {{ median_over('cost', 'the_week_around') }} as week_level,
        count(case when abs(changed_cost) > 0.1e0 * cost then 1 end) over four_weeks as changed_days,
        count(case when cost > 0 then 1 end) over eight_weeks as active_days,
        count(case when cost > 0 then null else 1 end) over eight_weeks as idle_days,
        cast(sum(effective_cost) over eight_weeks as double) as recent_cost
    from days
    window so_far as (
        partition by account, scope_type, scope
        order by day_number asc
        range between unbounded preceding and 1 preceding
    ),
    three_weeks as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 21 preceding and 1 preceding
    ),
    four_weeks as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 28 preceding and 1 preceding
    ),
    eight_weeks as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 56 preceding and 1 preceding
    ),
    the_week_around as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 3 preceding and 3 following
    )

),

weekdays as (

    -- The factor of a weekday uses weeks that are over. level_now is the median of the last seven days, and
    -- level_before that of three weeks, a month earlier.
    select
        *,
        coalesce({{ median_over('cost / nullif(week_level, 0)', 'same_weekdays') }}, 1e0) as weekday_factor,
        max(week_level) over three_days_ago as level_now,
        max(level) over twenty_days_ago as level_before
    from levels
    window same_weekdays as (
        partition by account, scope_type, scope, weekday
        order by day_number asc
        range between 56 preceding and 7 preceding
    ),
    three_days_ago as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 3 preceding and 3 preceding
    ),
    twenty_days_ago as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 20 preceding and 20 preceding
    )

),

ratios as (

    -- 1 USD on both sides keeps the ratio of small costs near 1.
    select
        *,
        level * weekday_factor as level_of_day,
        (cost + 1) / (level * weekday_factor + 1) as ratio
    from weekdays

),

biases as (

    select
        *,
        {{ median_over('ratio', 'one_week') }} as bias_of_week,
        {{ median_over('ratio', 'four_weeks') }} as bias_of_month
    from ratios
    window one_week as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 7 preceding and 1 preceding
    ),
    four_weeks as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 28 preceding and 1 preceding
    )

),

trends as (

    -- The level lags behind a trend. The trend corrects it where the last week and the last month agree.
    select
        *,
        case
            when bias_of_month > 1 then greatest(1e0, least(bias_of_month, bias_of_week))
            else least(1e0, greatest(bias_of_month, bias_of_week))
        end as trend
    from biases

),

errors as (

    -- Days on which the series costs nothing and is expected to cost nothing have no noise.
    select
        *,
        level_of_day * trend as expected_cost,
        ln(ratio / trend) as error,
        case when level_of_day + cost >= 1 then abs(ln(ratio / trend)) end as known_error
    from trends

),

noise as (

    select
        *,
        count(known_error) over eight_weeks as known_errors,
        coalesce({{ median_over('known_error', 'eight_weeks') }}, 0e0) as median_error
    from errors
    window eight_weeks as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 56 preceding and 1 preceding
    )

),

expected as (

    -- The standard deviation of a normal distribution is 1.4826 times its median deviation.
    select
        ---------- series and day
        account,
        scope_type,
        scope,
        charge_date,
        day_number,
        learned_days,

        ---------- cost (USD)
        effective_cost,
        cost,
        changed_cost,
        changed_days,
        expected_cost,

        ---------- logarithm of cost / expected cost, and its usual size
        error,
        greatest(
            1.4826e0 * median_error, case when known_errors >= 14 then 0.03e0 else 0.15e0 end
        ) as noise,

        ---------- drift
        level_now,
        level_before,
        level_before * weekday_factor as expected_before,

        ---------- days without use
        idle_days,
        active_days,
        recent_cost / nullif(active_days, 0) as active_cost

    from noise

)

select * from expected
