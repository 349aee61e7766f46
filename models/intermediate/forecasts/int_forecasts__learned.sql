{#- days that an origin learns from -#}
{%- set window_days = 182 -%}
{#- how many spreads a day may differ from the days around it -#}
{%- set most_spreads = 3.5 -%}

with

origins as (

    select * from {{ ref('int_forecasts__origins') }}

),

series as (

    -- (day 0 was a Thursday; weekday 0 is Monday)
    select
        days.series_number,
        days.day_number,
        (days.day_number + 3) % 7 as weekday,
        cast(days.cost as double) as cost
    from {{ ref('int_costs__series') }} as days
    inner join origins on days.series_number = origins.series_number and origins.origin_number = 0
    where days.is_complete and days.day_number > origins.last_number - 2 * {{ window_days }}

),

medians_of_a_week as (

    select
        series.series_number,
        series.day_number,
        series.weekday,
        series.cost,
        median(neighbors.cost) as median_cost
    from series
    inner join series as neighbors
        on
            series.series_number = neighbors.series_number
            and neighbors.day_number between series.day_number - 3 and series.day_number + 3
    group by series.series_number, series.day_number, series.weekday, series.cost

),

rough_factors as (

    select
        series_number,
        weekday,
        median(cost / median_cost) as factor,
        count(*) as weeks
    from medians_of_a_week
    where median_cost > 0
    group by series_number, weekday

),

levelled as (

    -- a weekday that costs next to nothing has no factor to divide by
    select
        series.*,
        case
            when coalesce(rough_factors.weeks, 0) < 2 then 1
            when rough_factors.factor > 0.05 then rough_factors.factor
        end as rough_factor
    from series
    left join rough_factors
        on series.series_number = rough_factors.series_number and series.weekday = rough_factors.weekday

),

neighbors_until as (

    -- the 15 days that end with a day
    select
        series.series_number,
        series.day_number,
        levelled.cost / levelled.rough_factor as cost
    from series
    inner join levelled
        on
            series.series_number = levelled.series_number
            and levelled.day_number between series.day_number - 14 and series.day_number
            and levelled.rough_factor is not null

),

medians as (

    select
        series_number,
        day_number,
        median(cost) as middle
    from neighbors_until
    group by series_number, day_number

),

deviations as (

    select
        neighbors_until.series_number,
        neighbors_until.day_number,
        medians.middle,
        median(abs(neighbors_until.cost - medians.middle)) as median_deviation,
        {{ rounded(quantile('abs(neighbors_until.cost - medians.middle)', 0.75)) }} as third_quartile,
        {{ mean('abs(neighbors_until.cost - medians.middle)') }} as mean_deviation
    from neighbors_until
    inner join medians
        on
            neighbors_until.series_number = medians.series_number
            and neighbors_until.day_number = medians.day_number
    group by neighbors_until.series_number, neighbors_until.day_number, medians.middle

),

limits as (

    -- Estimates of the standard deviation of a normal distribution. The second is for days of which most cost the same,
    -- as those of an instance do: up to three other days are odd. The third is for costs on less than half of the days,
    -- and twice as wide.
    select
        series_number,
        day_number,
        middle,
        case
            when median_deviation > 0 then 1.4826 * median_deviation
            when middle > 0 then 0.8693 * third_quartile
            else 2.5066 * mean_deviation
        end as spread
    from deviations

),

limited as (

    -- An origin sees the seven days after an earlier day, but none after itself.
    select
        origins.series_number,
        origins.origin_number,
        origins.origin - levelled.day_number as age,
        levelled.weekday,
        case
            when levelled.rough_factor is null or limits.middle is null then levelled.cost
            else levelled.rough_factor * greatest(
                limits.middle - {{ most_spreads }} * limits.spread,
                least(limits.middle + {{ most_spreads }} * limits.spread, levelled.cost / levelled.rough_factor)
            )
        end as limited_cost
    from origins
    inner join levelled
        on
            origins.series_number = levelled.series_number
            and levelled.day_number between origins.origin - {{ window_days - 1 }} and origins.origin
    left join limits
        on
            levelled.series_number = limits.series_number
            and limits.day_number = least(origins.origin, levelled.day_number + 7)

)

select
    series_number,
    origin_number,
    age,
    weekday,
    {{ rounded('limited_cost') }} as cost
from limited
