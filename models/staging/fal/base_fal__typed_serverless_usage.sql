{#- fields of the meter: their decimals, and the values that overflow when they are multiplied, or are meaningless -#}
{%- set meter = {
    'quantity': {'scale': 9},
    'unit_price': {'scale': 18, 'excess': '>= 1e7', 'reason': 'unit_price is 10 million USD or more'},
    'percent_discount': {'scale': 9, 'excess': '> 100', 'reason': 'percent_discount is beyond 100'},
} -%}
{%- set costs = ['cost_subtotal', 'cost_discount', 'cost_total'] -%}

with

buckets as (

    select * from ({{ read_landed_json_items(
        ref('stg_fal__landed_files'), 'serverless_usage', {'': 'time_series'}
    ) }})

),

bucket_results as (

    select
        *,
        {{ json_member_text('item', 'bucket') }} as bucket,
        {{ json_list('item', 'results') }} is not null as has_results,
        -- a bucket that cannot be read is one row
        coalesce({{ json_list('item', 'results') }}, {{ text_list(['item']) }}) as results
    from buckets

),

results as (

    {{ explode('bucket_results', 'results', 'result', 'result_number') }}

),

judged_results as (

    select
        *,
        coalesce(result, 'null') as raw_result,
        -- engines read different ones of the values of a repeated field
        case when {{ json_keys_differ('result') }} then result end as readable_result
    from results

),

landed as (

    -- fields are still text, as landed, so that quarantine can keep them
    select
        account,
        landed_date,
        load_id,
        landed_file,
        is_readable,
        has_results,
        raw_result,
        readable_result,
        {{ try_utc_timestamp('bucket') }} as bucket_start,
        {%- for field in ['app', 'environment', 'machine_type', 'unit', 'currency', 'is_surge'] %}
        nullif({{ json_member_text('readable_result', field) }}, '') as {{ field }},
        {%- endfor %}
        {%- for field in meter.keys() | list + costs %}
        {{ json_member_text('readable_result', field) }} as {{ field }},
        {%- endfor %}
        cast(row_number() over (
            partition by account, landed_date, load_id, landed_file
            order by item_number, result_number
        ) as bigint) as row_number
    from judged_results

),

judged as (

    select
        *,
        -- why a number of the meter cannot be used, null when it can or is missing
        {%- for field, limits in meter.items() %}
        case
            when not {{ is_number(field) }} then '{{ field }} is not a number'
            when {{ field }} is not null and {{ try_decimal(field, limits.scale) }} is null
                then '{{ field }} is too large'
            when {{ has_surplus_decimals(field, limits.scale) }}
                then '{{ field }} has more than {{ limits.scale }} decimals'
            {%- if limits.excess %}
            when abs(try_cast({{ field }} as double)) {{ limits.excess }} then '{{ limits.reason }}'
            {%- endif %}
        end as {{ field }}_misfit,
        {%- endfor %}

        -- why the row cannot be charged, null when it can
        case
            when not is_readable then '{{ unreadable_json_page('time_series') }}'
            when not has_results then '{{ unreadable_bucket() }}'
            when not {{ is_json_object('raw_result') }} then 'the result is not a JSON object'
            when readable_result is null then 'the result has a field twice'
            when bucket_start is null then 'bucket is not an ISO 8601 time'
            when {{ utc_date('bucket_start') }} <> landed_date then 'bucket is outside the day of its load'
            when machine_type is null then 'machine_type is missing'
            when cost_total is null then 'cost_total is missing'
            when not {{ is_number('cost_total') }} then 'cost_total is not a number'
            -- larger amounts overflow DECIMAL(38,18) when they are multiplied
            when abs(try_cast(cost_total as double)) >= 1e10 or {{ try_decimal('cost_total', 18) }} is null
                then 'cost_total is too large'
            when is_surge not in ('true', 'false') then 'is_surge is not a boolean'
            when upper(currency) <> 'USD' then 'currency is not USD'
        end as quarantine_reason
    from landed

),

typed as (

    select
        ---------- ids
        account,
        app,
        environment,
        machine_type,
        coalesce(is_surge = 'true', false) as is_surge,

        ---------- quantities and money
        unit,
        case when quantity_misfit is null then {{ try_decimal('quantity', 9) }} end as quantity,
        case when unit_price_misfit is null then {{ try_decimal('unit_price', 18) }} end as unit_price_usd,
        case when percent_discount_misfit is null then {{ try_decimal('percent_discount', 9) }} end
            as percent_discount,
        {%- for field in costs %}
        case when abs(try_cast({{ field }} as double)) < 1e10 then {{ try_usd_of_double(field) }} end
            as {{ field }}_usd,
        {%- endfor %}

        ---------- why the quantity cannot be priced, and a price and discount that cannot be used as landed
        coalesce(
            case when quantity is null then 'quantity is missing' end,
            case when unit_price is null then 'unit_price is missing' end,
            {%- for field in meter %}
            {{ field }}_misfit,
            {%- endfor %}
            case
                when abs(try_cast(quantity as double) * try_cast(unit_price as double)) >= 1e7
                    then 'quantity times unit_price is 10 million USD or more'
            end
        ) as misfit_reason,
        nullif(
            concat_ws(
                ' ',
                case when unit_price_misfit is not null then 'price ' || {{ canonical_number('unit_price') }} end,
                case
                    when percent_discount_misfit is not null
                        then 'discount ' || {{ canonical_number('percent_discount') }}
                end
            ),
            ''
        ) as misfit_price,

        ---------- times (UTC)
        {{ utc_date('bucket_start') }} as charge_date,

        ---------- where it was landed
        landed_date,
        load_id,
        landed_file,
        row_number,

        ---------- quarantine
        quarantine_reason,
        case when quarantine_reason is not null then raw_result end as raw_result

    from judged

)

select * from typed
