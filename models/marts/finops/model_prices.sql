with

daily_cost as (

    select * from {{ ref('daily_cost') }}

),

snapshots as (

    select * from {{ ref('stg_fal__prices') }}

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
        and quantity > 0

),

prices as (

    select
        account,
        product_line,
        model_id,
        unit,
        list_unit_price,
        contracted_unit_price,
        row_number() over (
            order by account, product_line, model_id, unit, list_unit_price, contracted_unit_price
        ) as price_number,
        {{ percent_of('list_unit_price - contracted_unit_price', 'list_unit_price') }} as discount_percent,
        max(model_name) as model_name,
        min(charge_date) as first_date,
        max(charge_date) as last_date,
        count(distinct charge_date) as day_count,
        sum(request_count) as request_count,
        {{ quantity('sum(quantity)') }} as quantity
    from billed
    group by account, product_line, model_id, unit, list_unit_price, contracted_unit_price

),

model_days as (

    select
        account,
        product_line,
        model_id,
        unit,
        charge_date,
        sum(request_count) as request_count
    from billed
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
            and prices.day_count * 4 < longer.day_count

),

regular as (

    select
        prices.*,
        max(prices.last_date) over (
            partition by
                prices.account, prices.product_line, prices.model_id, prices.unit, prices.list_unit_price
        ) as last_date_of_list_price
    from prices
    inner join frequent on prices.price_number = frequent.price_number
    left join contained on prices.price_number = contained.price_number
    where contained.price_number is null

),

with_earlier as (

    -- A price follows one that was last used when it began. Of several, the latest list price counts, and of its
    -- discounts the nearest.
    select
        regular.price_number,
        earlier.list_unit_price as previous_list_unit_price,
        earlier.contracted_unit_price as previous_contracted_unit_price,
        row_number() over (
            partition by regular.price_number
            order by
                earlier.last_date_of_list_price desc,
                earlier.list_unit_price asc,
                abs(earlier.discount_percent - regular.discount_percent) asc,
                earlier.contracted_unit_price asc
        ) as earlier_number
    from regular
    inner join regular as earlier
        on
            regular.account = earlier.account
            and regular.product_line = earlier.product_line
            and regular.model_id = earlier.model_id
            and regular.unit = earlier.unit
            and regular.first_date > earlier.first_date
            and regular.first_date >= earlier.last_date

),

mixed as (

    -- The list price began earlier with another discount and goes on, so some requests have this discount and some not.
    select distinct regular.price_number
    from regular
    inner join regular as other
        on
            regular.account = other.account
            and regular.product_line = other.product_line
            and regular.model_id = other.model_id
            and regular.unit = other.unit
            and regular.list_unit_price = other.list_unit_price
            and regular.first_date > other.first_date
            and regular.first_date < other.last_date

),

changes as (

    select
        regular.*,
        with_earlier.previous_list_unit_price,
        with_earlier.previous_contracted_unit_price
    from regular
    left join mixed on regular.price_number = mixed.price_number
    left join with_earlier
        on
            regular.price_number = with_earlier.price_number
            and with_earlier.earlier_number = 1
            and (regular.list_unit_price <> with_earlier.previous_list_unit_price or mixed.price_number is null)

),

ends as (

    select distinct
        account,
        product_line,
        model_id,
        unit,
        previous_list_unit_price,
        first_date as valid_to
    from changes
    where previous_list_unit_price is not null

),

catalogue_with_last as (

    select
        account,
        endpoint_id,
        snapshot_date,
        {{ focus_unit('unit') }} as unit,
        unit_price_usd,
        lag({{ focus_unit('unit') }}) over one_endpoint as last_unit,
        lag(unit_price_usd) over one_endpoint as last_unit_price_usd
    from snapshots
    window one_endpoint as (
        partition by account, endpoint_id
        order by snapshot_date asc
    )

),

catalogue as (

    select
        account,
        'model_apis' as product_line,
        endpoint_id as model_id,
        unit,
        unit_price_usd as list_unit_price,
        snapshot_date as valid_from,
        lead(snapshot_date, 1, {{ end_of_days() }}) over (
            partition by account, endpoint_id
            order by snapshot_date asc
        ) as valid_to
    from catalogue_with_last
    where unit is distinct from last_unit or unit_price_usd is distinct from last_unit_price_usd

),

billed_prices as (

    select
        changes.account,
        changes.product_line,
        changes.model_id,
        changes.model_name,
        changes.unit,
        'billed' as price_source,
        changes.list_unit_price,
        changes.discount_percent,
        changes.contracted_unit_price,
        changes.first_date as valid_from,
        min(ends.valid_to) as valid_to,
        changes.last_date as last_used_on,
        changes.quantity,
        changes.previous_list_unit_price,
        changes.previous_contracted_unit_price,
        {{ percent_of(
            'changes.contracted_unit_price - changes.previous_contracted_unit_price',
            'changes.previous_contracted_unit_price',
        ) }} as change_percent,
        {{ money('(changes.contracted_unit_price - changes.previous_contracted_unit_price) * changes.quantity') }}
            as change_cost,
        {{ days_between('changes.first_date', 'changes.last_date') }} + 1 as days_of_use,
        max(catalogue.list_unit_price) as catalogue_unit_price
    from changes
    left join ends
        on
            changes.account = ends.account
            and changes.product_line = ends.product_line
            and changes.model_id = ends.model_id
            and changes.unit = ends.unit
            and changes.list_unit_price = ends.previous_list_unit_price
            and changes.first_date < ends.valid_to
            and changes.last_date <= ends.valid_to
    left join catalogue
        on
            changes.account = catalogue.account
            and changes.product_line = catalogue.product_line
            and changes.model_id = catalogue.model_id
            and changes.unit = catalogue.unit
            and changes.last_date >= catalogue.valid_from
            and changes.last_date < catalogue.valid_to
    group by
        changes.price_number,
        changes.account,
        changes.product_line,
        changes.model_id,
        changes.model_name,
        changes.unit,
        changes.list_unit_price,
        changes.discount_percent,
        changes.contracted_unit_price,
        changes.first_date,
        changes.last_date,
        changes.quantity,
        changes.previous_list_unit_price,
        changes.previous_contracted_unit_price

),

unlike_billed as (

    -- prices of the catalogue that no request of their time had, of models that were used then
    select
        catalogue.account,
        catalogue.product_line,
        catalogue.model_id,
        max(regular.model_name) as model_name,
        catalogue.unit,
        catalogue.list_unit_price,
        catalogue.valid_from,
        catalogue.valid_to
    from catalogue
    inner join regular
        on
            catalogue.account = regular.account
            and catalogue.product_line = regular.product_line
            and catalogue.model_id = regular.model_id
            and catalogue.valid_to > regular.first_date
            and catalogue.valid_from <= regular.last_date
    group by
        catalogue.account,
        catalogue.product_line,
        catalogue.model_id,
        catalogue.unit,
        catalogue.list_unit_price,
        catalogue.valid_from,
        catalogue.valid_to
    having
        max(case
            when catalogue.unit = regular.unit and catalogue.list_unit_price = regular.list_unit_price then 1
            else 0
        end) = 0

),

model_prices as (

    select
        ---------- ids
        account,
        product_line,
        model_id,
        model_name,
        unit,
        price_source,

        ---------- price of a unit (USD)
        list_unit_price,
        discount_percent,
        contracted_unit_price,
        catalogue_unit_price,

        ---------- UTC days, [from, to)
        valid_from,
        valid_to,
        last_used_on,

        ---------- the change and what it cost (USD)
        previous_list_unit_price,
        previous_contracted_unit_price,
        change_percent,
        quantity,
        change_cost,
        case
            when change_cost is not null then {{ money(rounded_share('change_cost', '1', 'days_of_use')) }}
        end as change_cost_per_day

    from billed_prices
    union all
    select
        account,
        product_line,
        model_id,
        model_name,
        unit,
        'catalogue' as price_source,
        list_unit_price,
        null as discount_percent,
        null as contracted_unit_price,
        list_unit_price as catalogue_unit_price,
        valid_from,
        nullif(valid_to, {{ end_of_days() }}) as valid_to,
        null as last_used_on,
        null as previous_list_unit_price,
        null as previous_contracted_unit_price,
        null as change_percent,
        null as quantity,
        null as change_cost,
        null as change_cost_per_day
    from unlike_billed

)

select * from model_prices
