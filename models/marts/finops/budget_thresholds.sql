with

budgets as (

    select
        name,
        amount_usd,
        {{ split_at_semicolons("coalesce(thresholds, '100')") }} as threshold_texts
    from {{ ref('fal_budgets') }}

),

days as (

    select * from {{ ref('int_budgets__by_day') }}

),

threshold_texts as (

    {{ explode('budgets', 'threshold_texts', 'threshold_text', 'threshold_number') }}

),

percents as (

    select distinct
        name,
        amount_usd,
        cast({{ try_decimal('trim(threshold_text)', 4) }} as decimal(10, 4)) as threshold_percent
    from threshold_texts

),

thresholds as (

    select
        name,
        threshold_percent,
        {{ money('amount_usd * threshold_percent * 0.01') }} as threshold_usd
    from percents

),

crossed as (

    select
        days.name,
        days.account,
        days.period_starts_on,
        days.period_ends_on,
        days.last_known_on,
        thresholds.threshold_percent,
        thresholds.threshold_usd,
        min(case when days.cost_so_far > thresholds.threshold_usd then days.charge_date end) as over_on
    from days
    inner join thresholds on days.name = thresholds.name
    group by
        days.name,
        days.account,
        days.period_starts_on,
        days.period_ends_on,
        days.last_known_on,
        thresholds.threshold_percent,
        thresholds.threshold_usd

),

budget_thresholds as (

    select
        ---------- ids
        name,
        account,
        period_starts_on,
        period_ends_on,

        ---------- the threshold
        threshold_percent,
        threshold_usd,

        ---------- when (UTC)
        over_on,
        over_on > last_known_on as is_forecast

    from crossed

)

select * from budget_thresholds
