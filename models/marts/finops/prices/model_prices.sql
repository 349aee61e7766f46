with

regular as (

    select * from {{ ref('int_prices__regular') }}

),

snapshots as (

    select * from {{ ref('stg_fal__prices') }}

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
