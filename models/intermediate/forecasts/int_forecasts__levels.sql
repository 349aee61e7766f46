{#- Three levels, of which the first forgets in days and the third in months, and two damped trends. -#}
{%- set candidates = [
    {'half_life': 3, 'damping': 0},
    {'half_life': 8, 'damping': 0},
    {'half_life': 30, 'damping': 0},
    {'half_life': 15, 'damping': 0.97},
    {'half_life': 60, 'damping': 0.995},
] -%}
{%- set shortest_level_days = 4 -%}
{%- set longest_level_days = 90 -%}

with

learned as (

    select * from {{ ref('int_forecasts__learned') }}

),

factors as (

    select * from {{ ref('int_forecasts__weekdays') }}

),

with_factors as (

    select
        learned.*,
        coalesce(factors.factor, 1) as factor,
        case when coalesce(factors.factor, 1) > 0.05 then learned.cost / coalesce(factors.factor, 1) end as level_cost
    from learned
    left join factors
        on
            learned.series_number = factors.series_number
            and learned.origin_number = factors.origin_number
            and learned.weekday = factors.weekday

),

steps as (

    select
        *,
        abs(level_cost - lag(level_cost) over (partition by series_number, origin_number order by age)) as step
    from with_factors
    where level_cost is not null and age < {{ longest_level_days + 14 }}

),

noise as (

    -- standard deviation of a day, from the differences of neighbors, which a trend or a new level hardly changes
    select
        series_number,
        origin_number,
        1.0484 * median(step) as noise,
        median(level_cost) as middle
    from steps
    group by series_number, origin_number

),

splits as (

    -- the days since a day, and the 14 before it
    select
        series_number,
        origin_number,
        age,
        age + 1 as level_days,
        {{ total('level_cost', over='since') }} / count(*) over since as mean_since,
        count(*) over since as days_since,
        {{ total('level_cost', over='before') }} / nullif(count(*) over before, 0) as mean_before,
        count(*) over before as days_before
    from steps
    window
        since as (
            partition by series_number, origin_number order by age rows between unbounded preceding and current row
        ),
        before as (
            partition by series_number, origin_number order by age rows between 1 following and 14 following
        )

),

scored as (

    select
        splits.*,
        abs(splits.mean_since - splits.mean_before)
        / nullif(
            greatest(noise.noise, 0.03 * noise.middle)
            * sqrt(cast(1 as double) / least(splits.days_since, 28) + cast(1 as double) / splits.days_before), 0
        ) as score
    from splits
    inner join noise
        on splits.series_number = noise.series_number and splits.origin_number = noise.origin_number
    where
        splits.days_before >= 7
        and splits.level_days <= {{ longest_level_days }}
        and abs(splits.mean_since - splits.mean_before) > 0.25 * greatest(splits.mean_before, 0)

),

ranked as (

    select
        *,
        row_number() over (partition by series_number, origin_number order by score desc, age asc) as position
    from scored
    where score > 8

),

recent as (

    -- the days of the latest level: a launch does not take weeks to count
    select
        with_factors.*,
        ranked.level_days
    from with_factors
    left join ranked
        on
            with_factors.series_number = ranked.series_number
            and with_factors.origin_number = ranked.origin_number
            and ranked.position = 1
            and ranked.level_days >= {{ shortest_level_days }}
    where with_factors.age < coalesce(ranked.level_days, 100000)

),

sums as (

    {%- for candidate in candidates %}
    select
        series_number,
        origin_number,
        {{ loop.index }} as candidate,
        cast({{ candidate.damping }} as double) as damping,
        min(level_days) as level_days,
        count(*) as days,
        {{ total('w * factor') }} as s0,
        {{ total('w * factor * age') }} as s1,
        {{ total('w * factor * age * age') }} as s2,
        {{ total('w * cost') }} as y0,
        {{ total('w * cost * age') }} as y1
    from (select *, {{ weight('age', half_life=candidate.half_life) }} as w from recent) as weighted
    group by series_number, origin_number
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}

),

lines as (

    -- Weighted least squares. A trend of few days counts little.
    select
        *,
        coalesce(y0 / nullif(s0, 0), 0) as mean_cost,
        case
            when damping > 0 and days >= 10
                then coalesce((s1 * y0 - s0 * y1) / nullif(s0 * s2 - s1 * s1, 0), 0) * days / (days + 5)
            else 0
        end as slope
    from sums

),

noise_of_days as (

    -- standard deviation of the last four weeks around their level, as a share of it
    select
        recent.series_number,
        recent.origin_number,
        1.2533 * {{ mean('abs(recent.level_cost - lines.mean_cost)') }} / nullif(max(lines.mean_cost), 0) as noise
    from recent
    inner join lines
        on recent.series_number = lines.series_number and recent.origin_number = lines.origin_number
    where recent.age < 28 and recent.level_cost is not null and lines.candidate = 2
    group by recent.series_number, recent.origin_number

),

levels as (

    select
        lines.series_number,
        lines.origin_number,
        lines.candidate,
        lines.damping,
        lines.level_days,
        {{ rounded('lines.mean_cost') }} as mean_cost,
        {{ rounded('greatest(lines.mean_cost + lines.slope * coalesce(lines.s1 / nullif(lines.s0, 0), 0), 0)') }}
            as level_cost,
        {{ rounded('lines.slope') }} as slope,
        {{ rounded('coalesce(noise_of_days.noise, 0)') }} as noise
    from lines
    left join noise_of_days
        on
            lines.series_number = noise_of_days.series_number
            and lines.origin_number = noise_of_days.origin_number

)

select * from levels
