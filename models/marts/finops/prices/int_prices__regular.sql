{{ config(schema='intermediate') }}

with

price_days as (

    select * from {{ ref('int_prices__days') }}

),

prices as (

    select * from {{ ref('int_prices__runs') }}

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

frequent as (

    -- A price of one request, or of less than a twentieth of the requests of its time, is noise.
    select prices.price_number
    from prices
    inner join model_days
        on
            prices.account = model_days.account
            and prices.product_line = model_days.product_line
            and prices.model_id = model_days.model_id
            and prices.unit = model_days.unit
            and prices.first_date <= model_days.charge_date
            and prices.last_date >= model_days.charge_date
    where prices.request_count >= 2
    group by prices.price_number, prices.request_count
    having prices.request_count * 20 >= sum(model_days.request_count)

),

contained as (

    -- So is a price on single days within the time of a price with many more days.
    select distinct prices.price_number
    from prices
    inner join prices as longer
        on
            prices.account = longer.account
            and prices.product_line = longer.product_line
            and prices.model_id = longer.model_id
            and prices.unit = longer.unit
            and prices.first_date >= longer.first_date
            and prices.last_date <= longer.last_date
            and prices.days_of_life * 4 < longer.day_count

),

regular as (

    select prices.*
    from prices
    inner join frequent on prices.price_number = frequent.price_number
    left join contained on prices.price_number = contained.price_number
    where contained.price_number is null

)

select * from regular
