{#- decimals of the fields that are exact numbers -#}
{%- set scales = {
    'quantity': 9, 'unit_price': 18, 'percent_discount': 9, 'cost_subtotal': 18, 'cost_discount': 18, 'cost_total': 18,
} -%}

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
        {%- for field in scales %}
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
        -- why the row cannot be charged, null when it can
        case
            when not is_readable then '{{ unreadable_json_page('time_series') }}'
            when not has_results then '{{ unreadable_bucket() }}'
            when not {{ is_json_object('raw_result') }} then 'the result is not a JSON object'
            when readable_result is null then 'the result has a field twice'
            when bucket_start is null then 'bucket is not an ISO 8601 time'
            when {{ utc_date('bucket_start') }} <> landed_date then 'bucket is outside the day of its load'
            {%- for field in ['machine_type', 'quantity', 'unit_price', 'cost_total'] %}
            when {{ field }} is null then '{{ field }} is missing'
            {%- endfor %}
            {%- for field, scale in scales.items() %}
            when not {{ is_number(field) }} then '{{ field }} is not a number'
            when {{ field }} is not null and {{ try_decimal(field, scale) }} is null then '{{ field }} is too large'
            when {{ has_surplus_decimals(field, scale) }} then '{{ field }} has more than {{ scale }} decimals'
            {%- endfor %}
            -- larger amounts overflow DECIMAL(38,18) when they are multiplied
            when abs(try_cast(unit_price as double)) >= 1e7 then 'unit_price is 10 million USD or more'
            when abs(try_cast(quantity as double) * try_cast(unit_price as double)) >= 1e7
                then 'quantity times unit_price is 10 million USD or more'
            {%- for field in ['cost_subtotal', 'cost_discount', 'cost_total'] %}
            when abs(try_cast({{ field }} as double)) >= 1e10 then '{{ field }} is too large'
            {%- endfor %}
            when abs(try_cast(percent_discount as double)) > 100 then 'percent_discount is beyond 100'
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
        {{ try_decimal('quantity', 9) }} as quantity,
        {{ try_decimal('unit_price', 18) }} as unit_price_usd,
        {{ try_decimal('percent_discount', 9) }} as percent_discount,
        {{ try_decimal('cost_subtotal', 18) }} as cost_subtotal_usd,
        {{ try_decimal('cost_discount', 18) }} as cost_discount_usd,
        {{ try_decimal('cost_total', 18) }} as cost_total_usd,

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
