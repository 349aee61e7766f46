{{ config(schema='intermediate') }}

{#- the least change of a price, as a share of it -#}
{%- set least_change = '0.001e0' -%}

with

costs as (

    select
        account,
        product_line,
        model_id,
        unit,
        list_unit_price,
        coalesce(key_id, key_name) as api_key,
        team,
        {{ days_between(first_day(), 'charge_date') }} as day_number,
        quantity,
        effective_cost
    from {{ ref('daily_cost') }}
    where charge_category = 'Usage' and charge_class is null

),

model_days as (

    select
        account,
        day_number,
        product_line,
        model_id,
        unit,
        list_unit_price,
        sum(quantity) as quantity,
        sum(effective_cost) as effective_cost
    from costs
    group by account, day_number, product_line, model_id, unit, list_unit_price

),

key_days as (

    select
        account,
        day_number,
        api_key,
        team,
        max(product_line) as product_line,
        sum(effective_cost) as effective_cost
    from costs
    group by account, day_number, api_key, team

),

first_days as (

    -- the first day with cost of each model and each key
    select
        account,
        'model' as scope_type,
        model_id as scope,
        min(day_number) as first_day
    from model_days
    group by account, model_id
    union all
    select
        account,
        'key' as scope_type,
        api_key as scope,
        min(day_number) as first_day
    from key_days
    group by account, api_key

),

dated as (

    select
        *,
        min(first_day) over (partition by account) as first_day_of_account
    from first_days

),

new_scopes as (

    -- In the first two weeks of an account everything is new.
    select * from dated
    where first_day >= first_day_of_account + 14

),

unit_prices as (

    -- the price after discount of each list price
    select
        account,
        model_id,
        unit,
        list_unit_price,
        day_number,
        cast(sum(effective_cost) as double) as cost,
        cast(sum(effective_cost) as double) / nullif(cast(sum(quantity) as double), 0) as price
    from model_days
    group by account, model_id, unit, list_unit_price, day_number

),

models_with_price_changes as (

    -- Most models have one price. Within 0.09 % no day differs from the usual price by the 0.1 % of changed_prices,
    -- unless a cost is negative: a mean that has such a weight can lie outside of its prices.
    select
        account,
        model_id,
        unit
    from unit_prices
    where price > 0
    group by account, model_id, unit
    having max(price) - min(price) > 0.9e0 * {{ least_change }} * min(price) or min(cost) < 0

),

prices_to_compare as (

    select unit_prices.*
    from unit_prices
    inner join models_with_price_changes
        on
            unit_prices.account = models_with_price_changes.account
            and unit_prices.model_id = models_with_price_changes.model_id
            and unit_prices.unit = models_with_price_changes.unit

),

daily_prices as (

    -- Weighted by cost: thousands of units at a tiny price, which are another meter, change nothing.
    select
        account,
        model_id,
        unit,
        day_number,
        sum(cost * price) / nullif(sum(cost), 0) as price
    from prices_to_compare
    where price > 0
    group by account, model_id, unit, day_number

),

model_prices as (

    select
        *,
        count(*) over three_weeks as days_of_use,
        min(price) over three_weeks as lowest_price,
        max(price) over three_weeks as highest_price,
        {{ median_over('price', 'three_weeks') }} as usual_price
    from daily_prices
    window three_weeks as (
        partition by account, model_id, unit
        order by day_number asc
        range between 21 preceding and 1 preceding
    )

),

list_prices as (

    select
        *,
        count(*) over three_weeks as days_at_price,
        {{ median_over('price', 'three_weeks') }} as usual_price
    from prices_to_compare
    window three_weeks as (
        partition by account, model_id, unit, list_unit_price
        order by day_number asc
        range between 21 preceding and 1 preceding
    )

),

compared_prices as (

    select
        list_prices.*,
        model_prices.price as model_price,
        model_prices.usual_price as usual_model_price,
        model_prices.price > 1.2e0 * model_prices.highest_price
        or 1.2e0 * model_prices.price < model_prices.lowest_price as is_new_mix,
        3 * list_prices.days_at_price < model_prices.days_of_use as is_new_price
    from list_prices
    inner join model_prices
        on
            list_prices.account = model_prices.account
            and list_prices.model_id = model_prices.model_id
            and list_prices.unit = model_prices.unit
            and list_prices.day_number = model_prices.day_number
    where list_prices.price > 0

),

new_prices as (

    select
        *,
        2 * sum(case when is_new_price then cost else 0e0 end) over same_day
        >= sum(cost) over same_day as has_new_prices
    from compared_prices
    window same_day as (partition by account, model_id, unit, day_number)

),

changed_prices as (

    -- The mean price is compared if most of the cost has list prices that few of the days before had, or if it is the
    -- highest or lowest by far. Otherwise a list price in use is compared with itself, which shows a discount, because
    -- the mix of prices differs from day to day.
    select
        account,
        model_id,
        unit,
        list_unit_price,
        day_number,
        case
            when has_new_prices or is_new_mix then 1 - usual_model_price / model_price
            when is_new_price then 0e0
            else 1 - usual_price / price
        end as changed_share
    from new_prices
    where
        abs(model_price - usual_model_price) > {{ least_change }} * model_price
        and model_price between usual_model_price / 10 and usual_model_price * 10

),

changed_models as (

    select
        account,
        model_id
    from changed_prices
    union
    select
        account,
        scope as model_id
    from new_scopes
    where scope_type = 'model'

),

new_keys as (

    select * from new_scopes
    where scope_type = 'key'

),

changed_costs as (

    -- few of all costs: a scan leaves out the row groups of other models and keys
    select costs.*
    from costs
    inner join changed_models on costs.account = changed_models.account and costs.model_id = changed_models.model_id
    union all
    select costs.*
    from costs
    inner join new_keys on costs.account = new_keys.account and costs.api_key = new_keys.scope
    left join changed_models on costs.account = changed_models.account and costs.model_id = changed_models.model_id
    where changed_models.account is null

),

changed as (

    -- The part of a cost that a new price explains, or all of it in the first week of a model or key. It is rounded to
    -- nano-USD as an integer, because a sum of doubles depends on its order.
    select
        changed_costs.account,
        changed_costs.day_number,
        changed_costs.product_line,
        changed_costs.model_id,
        changed_costs.api_key,
        changed_costs.team,
        cast(floor(
            cast(changed_costs.effective_cost as double)
            * case
                when new_models.account is not null or new_keys.account is not null then 1e0
                else changed_prices.changed_share
            end
            * 1000000000 + 0.5
        ) as bigint) as changed_nano_usd
    from changed_costs
    left join changed_prices
        on
            changed_costs.account = changed_prices.account
            and changed_costs.model_id = changed_prices.model_id
            and changed_costs.unit = changed_prices.unit
            and changed_costs.list_unit_price = changed_prices.list_unit_price
            and changed_costs.day_number = changed_prices.day_number
    left join new_scopes as new_models
        on
            changed_costs.account = new_models.account
            and changed_costs.model_id = new_models.scope
            and new_models.scope_type = 'model'
            and changed_costs.day_number < new_models.first_day + 7
    left join new_keys
        on
            changed_costs.account = new_keys.account
            and changed_costs.api_key = new_keys.scope
            and changed_costs.day_number < new_keys.first_day + 7
    where
        changed_prices.account is not null
        or new_models.account is not null
        or new_keys.account is not null

),

parts as (

    select
        account,
        day_number,
        product_line,
        model_id,
        null as api_key,
        null as team,
        effective_cost,
        0 as changed_nano_usd,
        true as is_of_models,
        false as is_of_keys
    from model_days
    union all
    select
        account,
        day_number,
        product_line,
        null as model_id,
        api_key,
        team,
        effective_cost,
        0 as changed_nano_usd,
        false as is_of_models,
        true as is_of_keys
    from key_days
    union all
    select
        account,
        day_number,
        product_line,
        model_id,
        api_key,
        team,
        {{ money(0) }} as effective_cost,
        changed_nano_usd,
        true as is_of_models,
        true as is_of_keys
    from changed

),

scopes as (

    {%- for scope_type, column, is_counted, line in [
        ('account', 'account', 'is_of_models', "'all'"),
        ('product_line', 'product_line', 'is_of_models', 'product_line'),
        ('model', 'model_id', 'is_of_models', 'max(product_line)'),
        ('key', 'api_key', 'is_of_keys', 'max(product_line)'),
        ('team', 'team', 'is_of_keys', "'all'"),
    ] %}

    select
        account,
        '{{ scope_type }}' as scope_type,
        {{ column }} as scope,
        {{ line }} as days_of_line,
        day_number,
        {{ money('sum(effective_cost)') }} as effective_cost,
        cast(sum(changed_nano_usd) as double) / 1000000000 as changed_cost
    from parts
    where {{ is_counted }} and {{ column }} is not null
    group by account, {{ column }}, day_number
    {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select * from scopes
