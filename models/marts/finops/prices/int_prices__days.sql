{{ config(schema='intermediate') }}

with

daily_cost as (

    select * from {{ ref('daily_cost') }}

),

billed as (

    -- Usage without units is priced in USD at 1, and free usage has no price. Neither is a price of the model.
    select
        account,
        product_line,
        model_id,
        model_name,
        unit,
        list_unit_price,
        contracted_unit_price,
        charge_date,
        coalesce(request_count, 1) as request_count,
        quantity
    from daily_cost
    where
        charge_category = 'Usage'
        and charge_class is null
        and list_unit_price > 0
        and contracted_unit_price is not null
        and unit <> 'USD'
        and model_id is not null
        and quantity > 0

),

price_days as (

    select
        dense_rank() over (
            order by account, product_line, model_id, unit, list_unit_price, contracted_unit_price
        ) as life_number,
        account,
        product_line,
        model_id,
        unit,
        list_unit_price,
        contracted_unit_price,
        charge_date,
        max(model_name) as model_name,
        sum(request_count) as request_count,
        {{ quantity('sum(quantity)') }} as quantity
    from billed
    group by account, product_line, model_id, unit, list_unit_price, contracted_unit_price, charge_date

)

select * from price_days
