{#- Shares of the past errors below the lower and above the upper bound of 80 %: 7 % each, not 10 %. The skills were
    chosen with the same errors, so errors to come are a little larger. -#}
{%- set outside = 0.07 -%}

with

predicted as (

    select * from {{ ref('int_forecasts__predicted') }}

),

days as (

    select
        series_number,
        origin_number,
        'day' as period,
        {{ horizon_band('horizon') }} as band,
        (actual - predicted) / greatest(predicted, 0.2 * scale) as error
    from predicted
    where actual is not null

),

months as (

    -- the horizons of the rest of the first month, and of the month after it
    select
        series_number,
        horizon,
        count(*) over (partition by series_number, {{ month_of('charge_date') }}) as month_days,
        dense_rank() over (partition by series_number order by {{ month_of('charge_date') }}) as band
    from predicted
    where origin_number = 0

),

past_months as (

    select
        predicted.series_number,
        predicted.origin_number,
        months.band,
        {{ total('predicted.actual') }} as actual,
        {{ total('predicted.predicted') }} as predicted,
        {{ total('predicted.scale') }} as scale
    from predicted
    inner join months
        on predicted.series_number = months.series_number and predicted.horizon = months.horizon
    where predicted.actual is not null
    group by predicted.series_number, predicted.origin_number, months.band, months.month_days
    having count(*) = months.month_days

),

errors as (

    select * from days
    union all
    select
        series_number,
        origin_number,
        'month' as period,
        band,
        (actual - predicted) / greatest(predicted, 0.2 * scale) as error
    from past_months

),

by_band as (

    select
        series_number,
        period,
        band,
        count(distinct origin_number) as origins,
        {{ rounded(quantile('error', outside)) }} as lower_error,
        {{ rounded(quantile('error', 1 - outside)) }} as upper_error
    from errors
    group by series_number, period, band

)

select * from by_band
