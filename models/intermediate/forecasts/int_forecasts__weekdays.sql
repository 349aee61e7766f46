with

learned as (

    select * from {{ ref('int_forecasts__learned') }}

),

weeks as (

    -- the mean of the seven days around a day has each weekday once
    select
        *,
        {{ total('cost', over='week') }} / 7 as week_mean,
        count(*) over week as week_days
    from learned
    window week as (
        partition by series_number, origin_number
        order by age
        range between 3 preceding and 3 following
    )

),

ratios as (

    select
        series_number,
        origin_number,
        weekday,
        {{ weight('age', half_life=35) }} as weight,
        week_mean,
        cost / week_mean as ratio
    from weeks
    where week_days = 7 and week_mean > 0

),

raw_factors as (

    select
        series_number,
        origin_number,
        weekday,
        {{ total('weight * week_mean * ratio') }} / {{ total('weight * week_mean') }} as factor,
        {{ total('weight * weight') }} / ({{ total('weight') }} * {{ total('weight') }}) as share_of_noise
    from ratios
    group by series_number, origin_number, weekday

),

patterns as (

    select
        series_number,
        origin_number,
        {{ total('factor') }} / 7 as mean_factor,
        {{ total('share_of_noise') }} / 7 as share_of_noise
    from raw_factors
    group by series_number, origin_number
    having count(*) = 7

),

noise as (

    -- Variance of the ratios within a weekday. Seven factors take seven degrees of freedom.
    select
        ratios.series_number,
        ratios.origin_number,
        {{ total('ratios.weight * power(ratios.ratio - raw_factors.factor, 2)') }} / {{ total('ratios.weight') }}
        * count(*) / nullif(count(*) - 7, 0) as variance
    from ratios
    inner join raw_factors
        on
            ratios.series_number = raw_factors.series_number
            and ratios.origin_number = raw_factors.origin_number
            and ratios.weekday = raw_factors.weekday
    group by ratios.series_number, ratios.origin_number

),

between_weekdays as (

    -- variance of the factors
    select
        raw_factors.series_number,
        raw_factors.origin_number,
        {{ total('power(raw_factors.factor - patterns.mean_factor, 2)') }} / 6 as variance
    from raw_factors
    inner join patterns
        on
            raw_factors.series_number = patterns.series_number
            and raw_factors.origin_number = patterns.origin_number
    group by raw_factors.series_number, raw_factors.origin_number

),

trusted as (

    -- The share of the variance that noise does not explain, with twice the noise that the number of weeks leaves.
    select
        patterns.*,
        case
            when between_weekdays.variance > 0 and noise.variance is not null
                then greatest(0, 1 - 2 * noise.variance * patterns.share_of_noise / between_weekdays.variance)
            else 0
        end as trust
    from patterns
    inner join between_weekdays
        on
            patterns.series_number = between_weekdays.series_number
            and patterns.origin_number = between_weekdays.origin_number
    inner join noise
        on patterns.series_number = noise.series_number and patterns.origin_number = noise.origin_number

),

factors as (

    -- The factors of a week have a mean of 1. Without a pattern, all are 1.
    select
        raw_factors.series_number,
        raw_factors.origin_number,
        raw_factors.weekday,
        {{ rounded('1 + trusted.trust * (raw_factors.factor / trusted.mean_factor - 1)') }} as factor
    from raw_factors
    inner join trusted
        on
            raw_factors.series_number = trusted.series_number
            and raw_factors.origin_number = trusted.origin_number
    where trusted.mean_factor > 0

)

select * from factors
