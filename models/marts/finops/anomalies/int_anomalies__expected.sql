{{ config(schema='intermediate') }}

with

costs as (

    select * from {{ ref('int_anomalies__series') }}

),

settled_days as (

    select * from {{ ref('int_charge_days__settled') }}

),

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

landed_days as (

    -- An estimate alone has no keys and other tags, so a day is compared when its events have landed.
    select
        account,
        cast(landed_partition as date) as charge_date
    from files
    where feed = 'billing_events' and is_complete
    group by account, cast(landed_partition as date)

),

complete_days as (

    -- A day that is over but not settled is provisional: usage can still arrive, so nothing is learned from it.
    select
        settled_days.account,
        settled_days.product_line,
        settled_days.charge_date,
        {{ days_between(first_day(), 'settled_days.charge_date') }} as day_number,
        settled_days.is_settled
    from settled_days
    left join landed_days
        on settled_days.account = landed_days.account and settled_days.charge_date = landed_days.charge_date
    where settled_days.is_settled or landed_days.account is not null

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
        complete_days.is_settled,
        coalesce(costs.effective_cost, {{ money(0) }}) as effective_cost,
        greatest(cast(coalesce(costs.effective_cost, {{ money(0) }}) as double), 0e0) as cost,
        case
            when complete_days.is_settled
                then greatest(cast(coalesce(costs.effective_cost, {{ money(0) }}) as double), 0e0)
        end as learned_cost,
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
        count(learned_cost) over so_far as learned_days,
        {{ median_over('learned_cost', 'three_weeks') }} as level,
        {{ median_over('learned_cost', 'the_week_around') }} as week_level,
        count(case when abs(changed_cost) > 0.1e0 * learned_cost then 1 end) over four_weeks as changed_days,
        count(case when learned_cost > 0 then 1 end) over eight_weeks as active_days,
        count(case when learned_cost = 0 then 1 end) over eight_weeks as idle_days,
        cast(sum(case when is_settled then effective_cost end) over eight_weeks as double) as recent_cost
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

shares as (

    -- A day as a share of the week around it shows the weekday. That of a week earlier shows how much shares differ.
    select
        *,
        learned_cost / nullif(week_level, 0) as share_of_week,
        max(learned_cost / nullif(week_level, 0)) over week_ago as share_a_week_ago
    from levels
    window week_ago as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 7 preceding and 7 preceding
    )

),

weekdays as (

    -- The share of a weekday uses weeks that are over. last_week and level_now are medians of seven days, without and
    -- with this one, and level_before that of three weeks, a month earlier.
    select
        *,
        {{ median_over('share_of_week', 'same_weekdays') }} as weekday_share,
        count(share_of_week) over same_weekdays as known_weeks,
        {{ median_over('abs(share_of_week - share_a_week_ago)', 'eight_weeks') }} as share_change,
        max(week_level) over four_days_ago as last_week,
        max(week_level) over three_days_ago as level_now,
        max(level) over twenty_days_ago as level_before
    from shares
    window same_weekdays as (
        partition by account, scope_type, scope, weekday
        order by day_number asc
        range between 56 preceding and 7 preceding
    ),
    eight_weeks as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 56 preceding and 4 preceding
    ),
    four_days_ago as (
        partition by account, scope_type, scope
        order by day_number asc
        range between 4 preceding and 4 preceding
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

factors as (

    -- A weekday counts as far as it differs more than chance lets expect of so few weeks: the factor is drawn towards 1
    -- by twice the part of its squared difference that the changes from week to week explain.
    select
        *,
        coalesce(weekday_share + (1 - weekday_share) * least(
            1e0, 3.5e0 * power(share_change, 2) / known_weeks / nullif(power(weekday_share - 1, 2), 0)
        ), 1e0) as weekday_factor
    from weekdays

),

ratios as (

    -- 1 USD on both sides keeps the ratio of small costs near 1.
    select
        *,
        level * weekday_factor as level_of_day,
        (cost + 1) / (level * weekday_factor + 1) as ratio,
        (last_week + 1) / (level + 1) as ratio_of_last_week
    from factors

),

biases as (

    select
        *,
        {{ median_over('case when is_settled then ratio end', 'four_weeks') }} as ratio_of_month
    from ratios
    window four_weeks as (
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
            when ratio_of_month > 1 then greatest(1e0, least(ratio_of_month, ratio_of_last_week))
            else least(1e0, greatest(ratio_of_month, ratio_of_last_week))
        end as trend
    from biases

),

errors as (

    -- Days on which the series costs nothing and is expected to cost nothing have no noise.
    select
        *,
        level_of_day * trend as expected_cost,
        ln(ratio / trend) as error,
        case when is_settled and level_of_day + cost >= 1 then abs(ln(ratio / trend)) end as known_error
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
        is_settled,
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
            1.4826e0 * median_error * (1 + 6e0 / nullif(known_errors, 0)),
            case when known_errors >= 14 then 0.03e0 else 0.15e0 end
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
