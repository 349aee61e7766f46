{{
    config(
        materialized='incremental',
        incremental_strategy='parts',
        unique_key=['account', 'landed_date', 'landed_team', 'load_id'],
        meta={'parts_of': 'stg_fal__billing_event_loads', 'in_each_part': 'event_number = 1'},
    )
}}

with

landed as (

    -- fields are still text, as landed, so that quarantine can keep them
    select * from ({{ read_landed_billing_events(
        ref('stg_fal__billing_event_loads'), ref('stg_fal__landed_files')
    ) }})

),

timed as (

    select
        *,
        case
            -- the time of a plain event is in UTC and needs no parsing of zones
            when is_plain then try_cast({{ adapter.quote('timestamp') }} as {{ type_utc_timestamp() }})
            else {{ try_utc_timestamp(adapter.quote('timestamp')) }}
        end as billed_at
    from landed

),

judged as (

    select
        *,
        -- why the event cannot be charged, null when it can
        case
            when is_plain then null
            when not is_readable then '{{ unreadable_page() }}'
            when coalesce(request_id, '') = '' then 'request_id is missing'
            when coalesce(endpoint_id, '') = '' then 'endpoint_id is missing'
            when {{ adapter.quote('timestamp') }} is null then 'timestamp is missing'
            when billed_at is null then 'timestamp is not an ISO 8601 time'
            when cost_estimate_nano_usd is null then 'cost_estimate_nano_usd is missing'
            {%- for field in [
                'cost_estimate_nano_usd', 'output_units', 'unit_price', 'percent_discount', 'cost_subtotal',
            ] %}
            when not {{ is_number(field) }} then '{{ field }} is not a number'
            {%- endfor %}
            when {{ try_decimal('cost_estimate_nano_usd', 9) }} is null then 'cost_estimate_nano_usd is too large'
            when {{ has_surplus_decimals('cost_estimate_nano_usd', 9) }}
                then 'cost_estimate_nano_usd has more than 9 decimals'
            -- 10 billion USD or more overflows DECIMAL(38,18) when it is priced in USD
            when abs(try_cast(cost_estimate_nano_usd as double)) >= 1e19 then 'cost_estimate_nano_usd is too large'
        end as quarantine_reason,

        -- why its units, price or discount cannot be used, null when they can; its cost still counts
        case
            when is_plain then null
            {%- for field, scale in {'output_units': 9, 'unit_price': 18, 'percent_discount': 9}.items() %}
            when {{ field }} is not null and {{ try_decimal(field, scale) }} is null then '{{ field }} is too large'
            when {{ has_surplus_decimals(field, scale) }} then '{{ field }} has more than {{ scale }} decimals'
            {%- endfor %}
            when abs(try_cast(unit_price as double)) >= 1e7 then 'unit_price is 10 million USD or more'
            when abs(try_cast(output_units as double) * try_cast(unit_price as double)) >= 1e7
                then 'output_units times unit_price is 10 million USD or more'
            when abs(try_cast(percent_discount as double)) > 100 then 'percent_discount is beyond 100'
        end as misfit_reason
    from timed

),

typed as (

    select
        ---------- ids
        account,
        request_id,
        endpoint_id,
        -- the label of the key; the detail of a structured method has the same label
        coalesce(nullif(auth_method, ''), nullif(auth_detail, '')) as auth_method,
        nullif(api_key_id, '') as api_key_id,
        nullif(login_username, '') as login_username,
        -- the event states its team; without a statement it is the team of the folder
        coalesce(nullif(username, ''), nullif(landed_team, '')) as team_username,

        ---------- quantities and money
        case
            when is_plain then try_cast(output_units as decimal(38, 9))
            when misfit_reason is null then {{ try_decimal('output_units', 9) }}
        end as output_units,
        case
            when is_plain then try_cast(unit_price as decimal(38, 18))
            when misfit_reason is null then {{ try_decimal('unit_price', 18) }}
        end as unit_price_usd,
        case
            when is_plain then try_cast(percent_discount as decimal(38, 9))
            when misfit_reason like 'percent_discount %' then null
            else {{ try_decimal('percent_discount', 9) }}
        end as percent_discount,
        case
            when is_plain then try_cast(cost_estimate_nano_usd as decimal(38, 9))
            else {{ try_decimal('cost_estimate_nano_usd', 9) }}
        end as cost_nano_usd,
        case
            when is_plain then try_cast(cost_subtotal as decimal(38, 18))
            when abs(try_cast(cost_subtotal as double)) < 1e10 then {{ try_decimal('cost_subtotal', 18) }}
        end as cost_subtotal_usd,

        ---------- why the meter does not fit, and its units and price as landed
        misfit_reason,
        case
            when misfit_reason is not null
                then concat_ws(' x ', {{ canonical_number('output_units') }}, {{ canonical_number('unit_price') }})
        end as misfit_meter,

        ---------- times (UTC)
        billed_at,
        {{ utc_date('billed_at') }} as charge_date,

        ---------- where it was landed
        landed_date,
        landed_team,
        load_id,
        landed_file,
        event_number,

        ---------- quarantine
        quarantine_reason,
        case when quarantine_reason is not null then coalesce(raw_event, 'null') end as raw_event

    from judged

)

select * from typed
