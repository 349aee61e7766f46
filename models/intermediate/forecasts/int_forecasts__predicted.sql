{#- Weights of the candidates of int_forecasts__levels before their errors are known. -#}
{%- set first_weights = {1: 0.5, 2: 1.5, 3: 1, 4: 1, 5: 1} -%}
{%- set longest_horizon = 62 -%}

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

factors as (

    select * from {{ ref('int_forecasts__weekdays') }}

),

scales as (

    -- errors are shares of the level at their origin, so that those of a small past count
    select
        series_number,
        origin_number,
        greatest(mean_cost, 0.000000001) as scale,
        noise
    from levels
    where candidate = 3

),

coming_days as (

    -- from the first day that is not complete to the end of the next month
    select
        origins.series_number,
        origins.origin_number,
        origins.origin,
        {{ each_day(
            utc_date(utc_add('day', 1, 'series.charge_date')),
            utc_date(utc_add('month', 2, month_of(utc_add('day', 1, 'series.charge_date'))))
        ) }} as charge_date
    from origins
    inner join series on origins.series_number = series.series_number and origins.origin = series.day_number
    where origins.origin_number = 0

),

targets as (

    select
        series_number,
        origin_number,
        origin,
        charge_date,
        {{ days_between(first_day(), 'charge_date') }} as day_number,
        cast(null as double) as actual
    from coming_days
    union all
    select
        origins.series_number,
        origins.origin_number,
        origins.origin,
        series.charge_date,
        series.day_number,
        cast(series.cost as double) as actual
    from origins
    inner join series
        on
            origins.series_number = series.series_number
            and series.day_number between origins.origin + 1 and origins.origin + {{ longest_horizon }}
    where origins.origin_number > 0 and series.is_complete

),

by_candidate as (

    select
        targets.series_number,
        targets.origin_number,
        targets.charge_date,
        targets.day_number - targets.origin as horizon,
        targets.actual,
        levels.candidate,
        coalesce(factors.factor, 1) * greatest(
            levels.level_cost
            + levels.slope
            * levels.damping
            * (1 - power(levels.damping, targets.day_number - targets.origin))
            / (1 - levels.damping),
            0
        ) as predicted
    from targets
    inner join levels
        on targets.series_number = levels.series_number and targets.origin_number = levels.origin_number
    left join factors
        on
            targets.series_number = factors.series_number
            and targets.origin_number = factors.origin_number
            and factors.weekday = (targets.day_number + 3) % 7

),

past_errors as (

    -- recent origins count more
    select
        by_candidate.series_number,
        by_candidate.candidate,
        count(distinct by_candidate.origin_number) as origins,
        {{ total('weight * error') }} / {{ total('weight') }} as mean_error
    from (
        select
            by_candidate.*,
            {{ weight('by_candidate.origin_number', half_life=12) }} as weight,
            abs(by_candidate.actual - by_candidate.predicted) / scales.scale as error
        from by_candidate
        inner join scales
            on
                by_candidate.series_number = scales.series_number
                and by_candidate.origin_number = scales.origin_number
        where by_candidate.actual is not null
    ) as by_candidate
    group by by_candidate.series_number, by_candidate.candidate

),

compared as (

    select
        *,
        greatest(min(mean_error) over (partition by series_number), 0.000001) as least_error
    from past_errors

),

skills as (

    -- The better candidates get more weight, the more origins there are to compare them.
    select
        levels.series_number,
        levels.candidate,
        case levels.candidate
            {%- for candidate, weight in first_weights.items() %}
            when {{ candidate }} then {{ weight }}
            {%- endfor %}
        end
        * coalesce(
            power(
                greatest(compared.mean_error, 0.000001) / compared.least_error,
                cast(-6 as double) * compared.origins / (compared.origins + 4)
            ), 1
        ) as skill
    from levels
    left join compared
        on levels.series_number = compared.series_number and levels.candidate = compared.candidate
    where levels.origin_number = 0

),

predicted as (

    select
        by_candidate.series_number,
        by_candidate.origin_number,
        by_candidate.charge_date,
        by_candidate.horizon,
        by_candidate.actual,
        scales.scale,
        scales.noise,
        {{ total('by_candidate.predicted * skills.skill') }} / {{ total('skills.skill') }} as predicted
    from by_candidate
    inner join skills
        on
            by_candidate.series_number = skills.series_number
            and by_candidate.candidate = skills.candidate
    inner join scales
        on
            by_candidate.series_number = scales.series_number
            and by_candidate.origin_number = scales.origin_number
    group by
        by_candidate.series_number,
        by_candidate.origin_number,
        by_candidate.charge_date,
        by_candidate.horizon,
        by_candidate.actual,
        scales.scale,
        scales.noise

)

select * from predicted
