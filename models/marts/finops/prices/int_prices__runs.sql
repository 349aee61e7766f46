{{ config(schema='intermediate') }}

with

price_days as (

    select * from {{ ref('int_prices__days') }}

),

lives as (

    -- each price from its first day to its last
    select
        life_number,
        account,
        product_line,
        model_id,
        unit,
        list_unit_price,
        contracted_unit_price,
        min(charge_date) as first_date,
        max(charge_date) as last_date,
        count(*) as day_count,
        sum(request_count) as request_count
    from price_days
    group by life_number, account, product_line, model_id, unit, list_unit_price, contracted_unit_price

),

model_days as (

    select
        account,
        product_line,
        model_id,
        unit,
        charge_date,
        sum(request_count) as request_count
    from price_days
    group by account, product_line, model_id, unit, charge_date

),

followed_days as (

    select
        *,
        lag(charge_date) over (partition by life_number order by charge_date) as day_before
    from price_days

),

gaps as (

    -- a week or longer without a price
    select followed_days.*
    from followed_days
    inner join lives on followed_days.life_number = lives.life_number
    where {{ days_between('followed_days.day_before', 'followed_days.charge_date') }} > 7 and lives.request_count >= 10

),

in_gaps as (

    select
        gaps.life_number,
        gaps.charge_date,
        price_days.life_number as other_number,
        sum(price_days.request_count) as request_count
    from gaps
    inner join price_days
        on
            gaps.account = price_days.account
            and gaps.product_line = price_days.product_line
            and gaps.model_id = price_days.model_id
            and gaps.unit = price_days.unit
            and gaps.day_before < price_days.charge_date
            and gaps.charge_date > price_days.charge_date
    group by gaps.life_number, gaps.charge_date, price_days.life_number

),

side_by_side as (

    -- Prices that are used on the same days, such as those of two resolutions, do not replace each other: those
    -- that share a fifth of their days, or of the days before the gap.
    select
        in_gaps.life_number,
        in_gaps.charge_date,
        in_gaps.other_number
    from in_gaps
    inner join price_days on in_gaps.life_number = price_days.life_number
    left join price_days as other_days
        on in_gaps.other_number = other_days.life_number and price_days.charge_date = other_days.charge_date
    inner join lives on in_gaps.life_number = lives.life_number
    inner join lives as others on in_gaps.other_number = others.life_number
    group by in_gaps.life_number, in_gaps.charge_date, in_gaps.other_number
    having
        count(other_days.life_number) * 5 > least(max(lives.day_count), max(others.day_count))
        or sum(case
            when price_days.charge_date >= in_gaps.charge_date then 0
            when other_days.life_number is not null then 4
            else -1
        end) > 0

),

requests_of_lives as (

    select
        lives.life_number,
        max(lives.request_count) as request_count,
        sum(model_days.request_count) as model_request_count
    from lives
    inner join model_days
        on
            lives.account = model_days.account
            and lives.product_line = model_days.product_line
            and lives.model_id = model_days.model_id
            and lives.unit = model_days.unit
            and lives.first_date <= model_days.charge_date
            and lives.last_date >= model_days.charge_date
    group by lives.life_number

),

returns as (

    -- A price returns after other prices had requests of which it usually has ten or more.
    select
        in_gaps.life_number,
        in_gaps.charge_date
    from in_gaps
    inner join requests_of_lives on in_gaps.life_number = requests_of_lives.life_number
    left join side_by_side
        on
            in_gaps.life_number = side_by_side.life_number
            and in_gaps.charge_date = side_by_side.charge_date
            and in_gaps.other_number = side_by_side.other_number
    where side_by_side.life_number is null
    group by
        in_gaps.life_number,
        in_gaps.charge_date,
        requests_of_lives.request_count,
        requests_of_lives.model_request_count
    having
        sum(in_gaps.request_count) * requests_of_lives.request_count >= 10 * requests_of_lives.model_request_count

),

price_days_of_runs as (

    select
        price_days.*,
        sum(case when returns.life_number is not null then 1 else 0 end) over (
            partition by price_days.life_number
            order by price_days.charge_date
        ) as run_number
    from price_days
    left join returns
        on price_days.life_number = returns.life_number and price_days.charge_date = returns.charge_date

),

prices as (

    -- A price that was replaced and returns is a price each time.
    select
        lives.account,
        lives.product_line,
        lives.model_id,
        lives.unit,
        lives.list_unit_price,
        lives.contracted_unit_price,
        row_number() over (order by lives.life_number, price_days_of_runs.run_number) as price_number,
        {{ percent_of('lives.list_unit_price - lives.contracted_unit_price', 'lives.list_unit_price') }}
            as discount_percent,
        max(price_days_of_runs.model_name) as model_name,
        min(price_days_of_runs.charge_date) as first_date,
        max(price_days_of_runs.charge_date) as last_date,
        count(*) as day_count,
        lives.day_count as days_of_life,
        sum(price_days_of_runs.request_count) as request_count,
        {{ quantity('sum(price_days_of_runs.quantity)') }} as quantity
    from price_days_of_runs
    inner join lives on price_days_of_runs.life_number = lives.life_number
    group by
        lives.life_number,
        lives.account,
        lives.product_line,
        lives.model_id,
        lives.unit,
        lives.list_unit_price,
        lives.contracted_unit_price,
        lives.day_count,
        price_days_of_runs.run_number

)

select * from prices
