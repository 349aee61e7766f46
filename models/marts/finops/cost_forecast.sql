{#- past errors that the noise of the last days counts for -#}
{%- set prior_origins = 4 -%}
{#- half the width of an interval of 80 %, in standard deviations -#}
{%- set deviations = 1.2816 -%}

with

series as (

    select * from {{ ref('int_costs__series') }}

),

origins as (

    select * from {{ ref('int_forecasts__origins') }}

),

levels as (

    select * from {{ ref('int_forecasts__levels') }}

),

predicted as (

    select
        *,
        {{ month_of('charge_date') }} as charge_month,
        {{ horizon_band('horizon') }} as band
    from {{ ref('int_forecasts__predicted') }}
    where origin_number = 0

),

errors as (

    select * from {{ ref('int_forecasts__errors') }}

),

scopes as (

    select
        series.series_number,
        series.account,
        series.scope_type,
        series.scope,
        max(series.charge_date) as last_day,
        sum(case when series.is_complete then 1 else 0 end) as complete_days,
        min(case when series.is_complete then series.charge_date end) as first_complete_day
    from series
    group by series.series_number, series.account, series.scope_type, series.scope

),

spent as (

    select
        series_number,
        {{ month_of('charge_date') }} as charge_month,
        {{ money('sum(cost)') }} as cost
    from series
    group by series_number, {{ month_of('charge_date') }}

),

spreads as (

    -- Few past errors are known at first. The noise of the last four weeks stands for four of them, and grows with
    -- the horizon.
    select
        predicted.series_number,
        predicted.charge_date,
        predicted.charge_month,
        predicted.predicted,
        greatest(predicted.predicted, 0.2 * predicted.scale) as scale,
        coalesce(errors.origins, 0) as origins,
        coalesce(errors.lower_error, 0) as lower_error,
        coalesce(errors.upper_error, 0) as upper_error,
        {{ deviations }} * predicted.noise * sqrt(1 + 0.06 * predicted.horizon) as prior_error
    from predicted
    left join errors
        on
            predicted.series_number = errors.series_number
            and predicted.band = errors.band
            and errors.period = 'day'

),

days as (

    select
        series_number,
        charge_date,
        charge_month,
        predicted as expected_cost,
        greatest(predicted + scale * {{ interval_bound('lower', prior_origins) }}, 0) as lower_cost,
        predicted + scale * {{ interval_bound('upper', prior_origins) }} as upper_cost
    from spreads

),

months as (

    select
        series_number,
        charge_month,
        dense_rank() over (partition by series_number order by charge_month) as band,
        -- the sum of the days as they are shown
        cast(sum(cast(predicted as decimal(38, 6))) as decimal(38, 6)) as expected_cost,
        {{ total('predicted') }} as predicted,
        {{ total('scale') }} as scale,
        max(noise) as noise,
        max(horizon) as horizon,
        count(*) as days
    from predicted
    group by series_number, charge_month

),

month_spreads as (

    -- the noise of days evens out in a month, that of the level does not
    select
        months.series_number,
        months.charge_month,
        months.expected_cost,
        greatest(months.predicted, 0.2 * months.scale) as scale,
        coalesce(errors.origins, 0) as origins,
        coalesce(errors.lower_error, 0) as lower_error,
        coalesce(errors.upper_error, 0) as upper_error,
        {{ deviations }} * months.noise * sqrt(cast(2 as double) / months.days + 0.05 * months.horizon) as prior_error
    from months
    left join errors
        on
            months.series_number = errors.series_number
            and months.band = errors.band
            and errors.period = 'month'

),

month_bounds as (

    select
        series_number,
        charge_month,
        expected_cost,
        greatest(
            cast(expected_cost as double) + scale * {{ interval_bound('lower', prior_origins) }}, 0
        ) as lower_cost,
        cast(expected_cost as double) + scale * {{ interval_bound('upper', prior_origins) }} as upper_cost
    from month_spreads

),

forecast as (

    select
        ---------- ids
        scopes.account,
        scopes.scope_type,
        scopes.scope,

        ---------- when (UTC)
        days.charge_date,
        coalesce(days.charge_month, {{ month_of(utc_add('day', 1, 'scopes.last_day')) }}) as charge_month,

        ---------- of the day (USD)
        cast(days.expected_cost as decimal(38, 6)) as expected_cost,
        cast(days.lower_cost as decimal(38, 6)) as lower_cost,
        cast(days.upper_cost as decimal(38, 6)) as upper_cost,

        ---------- of the month (USD)
        coalesce(spent.cost, {{ money(0) }}) as month_spent_cost,
        {{ money('coalesce(spent.cost, 0) + month_bounds.expected_cost') }} as month_expected_cost,
        {{ money('coalesce(spent.cost, 0) + cast(month_bounds.lower_cost as decimal(38, 6))') }}
            as month_lower_cost,
        {{ money('coalesce(spent.cost, 0) + cast(month_bounds.upper_cost as decimal(38, 6))') }}
            as month_upper_cost,

        ---------- what it learned from
        {{ utc_date(utc_add('day', 1, 'scopes.last_day')) }} as as_of,
        coalesce(origins.learned_from, scopes.first_complete_day) as learned_from,
        cast(coalesce(origins.learned_days, scopes.complete_days) as integer) as learned_days,
        {{ utc_date(utc_add('day', '1 - levels.level_days', 'scopes.last_day')) }} as level_from,
        case when origins.series_number is null then 'too few days' else 'forecast' end as status

    from scopes
    left join origins on scopes.series_number = origins.series_number and origins.origin_number = 0
    left join levels
        on
            scopes.series_number = levels.series_number
            and levels.origin_number = 0
            and levels.candidate = 1
    left join days on scopes.series_number = days.series_number
    left join spent
        on
            scopes.series_number = spent.series_number
            and spent.charge_month
            = coalesce(days.charge_month, {{ month_of(utc_add('day', 1, 'scopes.last_day')) }})
    left join month_bounds
        on
            days.series_number = month_bounds.series_number
            and days.charge_month = month_bounds.charge_month

)

select * from forecast
