with

periods as (

    select * from {{ ref('int_budgets__periods') }}

),

costs as (

    select * from {{ ref('int_costs__of_budgets') }}

),

settled_days as (

    select * from {{ ref('int_charge_days__settled') }}

),

series as (

    select distinct
        series_number,
        scope
    from {{ ref('int_costs__series') }}
    where scope_type = 'budget'

),

expected as (

    select
        series.scope as name,
        predicted.charge_date,
        {{ month_of('predicted.charge_date') }} as charge_month,
        cast(predicted.predicted as decimal(38, 6)) as expected_cost
    from {{ ref('int_forecasts__predicted') }} as predicted
    inner join series on predicted.series_number = series.series_number
    where predicted.origin_number = 0

),

months as (

    select
        name,
        charge_month,
        max(charge_date) as last_day,
        {{ rounded_quotient('sum(expected_cost)', 'count(*)') }} as daily_cost,
        row_number() over (partition by name order by charge_month desc) as months_ago
    from expected
    group by name, charge_month

),

last_months as (

    -- A day after the forecast is expected to cost as much as a day of its last month.
    select * from months
    where months_ago = 1

),

days as (

    select
        *,
        {{ each_day('period_starts_on', utc_date(utc_add('day', 1, 'period_ends_on'))) }} as charge_date
    from periods

),

with_costs as (

    select
        days.name,
        days.account,
        days.period_starts_on,
        days.period_ends_on,
        days.amount_usd,
        days.as_of,
        days.last_known_on,
        days.charge_date,
        coalesce(settled_days.is_settled, false) as is_settled,
        coalesce(costs.cost, {{ money(0) }}) as cost,
        case
            when days.charge_date < days.as_of then null
            when days.charge_date > last_months.last_day then last_months.daily_cost
            else expected.expected_cost
        end as expected_cost,
        least({{ month_of('days.charge_date') }}, last_months.charge_month) as forecast_month,
        days.period_ends_on < days.as_of or last_months.name is not null as has_forecast
    from days
    left join settled_days
        on
            days.account = settled_days.account
            and days.settled_line = settled_days.product_line
            and days.charge_date = settled_days.charge_date
    left join costs on days.name = costs.name and days.charge_date = costs.charge_date
    left join expected on days.name = expected.name and days.charge_date = expected.charge_date
    left join last_months on days.name = last_months.name

),

with_sums as (

    select
        *,
        {{ money('sum(cost) over so_far') }} as spent_so_far,
        {{ money('sum(case when charge_date < as_of then cost else ' ~ money('expected_cost') ~ ' end) over so_far') }}
            as expected_so_far
    from with_costs
    window so_far as (
        partition by name, period_starts_on
        order by charge_date
        rows between unbounded preceding and current row
    )

),

by_day as (

    -- The usage of a day that is not settled may grow, and never counts less than what has landed of it.
    select
        ---------- ids
        name,
        account,
        period_starts_on,
        period_ends_on,

        ---------- when (UTC)
        charge_date,
        as_of,
        last_known_on,
        is_settled,
        case when expected_cost is not null then forecast_month end as forecast_month,

        ---------- how much (USD)
        amount_usd,
        cost,
        expected_cost,
        case
            when charge_date <= last_known_on then spent_so_far
            when has_forecast then greatest(spent_so_far, expected_so_far)
        end as cost_so_far,
        case when has_forecast then greatest(spent_so_far, expected_so_far) end as expected_so_far

    from with_sums

)

select * from by_day
