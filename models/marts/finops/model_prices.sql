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

lives as (

    -- each price from its first day to its last
    select
        account,
        product_line,
        model_id,
        unit,
        list_unit_price,
        contracted_unit_price,
        row_number() over (
            order by account, product_line, model_id, unit, list_unit_price, contracted_unit_price
        ) as life_number,
        min(charge_date) as first_date,
        max(charge_date) as last_date,
        count(distinct charge_date) as day_count,
        sum(request_count) as request_count
    from billed
    group by account, product_line, model_id, unit, list_unit_price, contracted_unit_price

),

price_days as (

    select
        lives.life_number,
        lives.account,
        lives.product_line,
        lives.model_id,
        lives.unit,
        billed.charge_date,
        max(billed.model_name) as model_name,
        sum(billed.request_count) as request_count,
        {{ quantity('sum(billed.quantity)') }} as quantity
    from billed
    inner join lives
        on
            billed.account = lives.account
            and billed.product_line = lives.product_line
            and billed.model_id = lives.model_id
            and billed.unit = lives.unit
            and billed.list_unit_price = lives.list_unit_price
            and billed.contracted_unit_price = lives.contracted_unit_price
    group by
        lives.life_number,
        lives.account,
        lives.product_line,
        lives.model_id,
        lives.unit,
        billed.charge_date

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

),

successions as (

    -- A price can follow one that was last used when it began.
    select
        regular.price_number,
        earlier.price_number as earlier_number,
        earlier.list_unit_price as previous_list_unit_price,
        earlier.contracted_unit_price as previous_contracted_unit_price,
        greatest(cast(regular.list_unit_price as double), cast(earlier.list_unit_price as double))
        / least(cast(regular.list_unit_price as double), cast(earlier.list_unit_price as double)) as ratio,
        abs(earlier.discount_percent - regular.discount_percent) as discount_difference,
        max(earlier.last_date) over (
            partition by regular.price_number, earlier.list_unit_price
        ) as last_date_of_list_price,
        max(earlier.last_date) over (partition by regular.price_number) as last_date
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

replaced as (

    -- An earlier price that another one followed in between
    select distinct
        successions.price_number,
        between_them.earlier_number
    from successions
    inner join successions as between_them on successions.earlier_number = between_them.price_number

),

with_earlier as (

    -- Of several that were used until the same week, such as the prices of tokens in and out, the nearest list price
    -- counts, and of its discounts the nearest.
    select
        successions.*,
        row_number() over (
            partition by successions.price_number
            order by
                case
                    when {{ days_between('successions.last_date_of_list_price', 'successions.last_date') }} < 7 then 0
                    else 1
                end asc,
                successions.ratio asc,
                successions.previous_list_unit_price asc,
                successions.discount_difference asc,
                successions.previous_contracted_unit_price asc
        ) as position
    from successions
    left join replaced
        on
            successions.price_number = replaced.price_number
            and successions.earlier_number = replaced.earlier_number
    where replaced.price_number is null

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
            and with_earlier.position = 1
            and (
                regular.list_unit_price <> with_earlier.previous_list_unit_price
                or (
                    mixed.price_number is null
                    and regular.contracted_unit_price <> with_earlier.previous_contracted_unit_price
                )
            )

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
