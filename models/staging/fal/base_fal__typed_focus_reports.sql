{{
    config(
        materialized='incremental',
        incremental_strategy='parts',
        unique_key=['account', 'landed_partition', 'source', 'load_id'],
        meta={'parts_of': 'stg_fal__focus_report_loads', 'in_each_part': 'record_number = 1'},
    )
}}

{#- decimals of each kind of number in FOCUS -#}
{%- set scales = {'money': 18, 'quantity': 9} -%}
{%- set charge_categories = ['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'] -%}

with

landed as (

    select * from {{ ref('base_fal__focus_reports') }}
    where {{ is_in_parts(
        parts_to_build(ref('stg_fal__focus_report_loads')), ['account', 'landed_partition', 'source', 'load_id']
    ) }}

),

judged as (

    select
        *,
        -- why the record cannot be charged, null when it can; later models fill in other missing FOCUS columns
        case
            when misfit is not null then misfit
            {%- for column in ['BilledCost', 'ChargeCategory', 'ChargePeriodStart', 'ChargePeriodEnd'] %}
            when {{ column }} is null then '{{ column }} is missing'
            {%- endfor %}
            when {{ focus_value('ChargeCategory', charge_categories) }} is null
                then 'ChargeCategory is none of FOCUS''s'
            when ChargeClass is not null and {{ focus_value('ChargeClass', ['Correction']) }} is null
                then 'ChargeClass is not Correction'
            {%- for column, kind in focus_columns().items() if kind in scales %}
            when {{ column }} is not null and {{ try_decimal(column, scales[kind]) }} is null
                then '{{ column }} is not a number, or too large'
            when {{ has_surplus_decimals(column, scales[kind]) }}
                then '{{ column }} has more than {{ scales[kind] }} decimals'
            {%- endfor %}
            {%- for column, kind in focus_columns().items() if kind == 'time' %}
            when {{ column }} is not null and {{ try_utc_timestamp(column) }} is null
                then '{{ column }} is not an ISO 8601 time'
            {%- endfor %}
            when {{ try_utc_timestamp('ChargePeriodEnd') }} <= {{ try_utc_timestamp('ChargePeriodStart') }}
                then 'ChargePeriodEnd is not after ChargePeriodStart'
            -- a product this large overflows DECIMAL(38,18)
            {%- for price in ['ListUnitPrice', 'ContractedUnitPrice'] %}
            when abs(try_cast(PricingQuantity as double) * try_cast({{ price }} as double)) >= 1e10
                then 'PricingQuantity times {{ price }} is 10 billion or more'
            {%- endfor %}
        end as quarantine_reason
    from landed

),

typed as (

    select
        ---------- where it was landed
        account,
        source,
        landed_partition,
        load_id,
        landed_file,
        record_number,

        ---------- FOCUS columns
        {%- for column, kind in focus_columns().items() %}
        {% if kind in scales -%} {{ try_decimal(column, scales[kind]) }}
        {%- elif kind == 'time' -%} {{ try_utc_timestamp(column) }}
        {%- elif column == 'ChargeCategory' -%} {{ focus_value(column, charge_categories) }}
        {%- elif column == 'ChargeClass' -%} {{ focus_value(column, ['Correction']) }}
        {%- else -%} {{ column }}
        {%- endif %} as {{ column }},
        {%- endfor %}

        ---------- columns that FOCUS does not define, as a JSON object
        provider_columns,

        ---------- names of the times that were landed as a date or without a zone; they are read as UTC
        concat_ws(
            ' ',
            {%- for column, kind in focus_columns().items() if kind == 'time' %}
            case when not {{ matches(column, whole_time_pattern()) }} then '{{ column }}' end
            {{- ',' if not loop.last }}
            {%- endfor %}
        ) as bare_times,

        ---------- quarantine
        quarantine_reason,
        case when quarantine_reason is not null then raw_record end as raw_record

    from judged

)

select * from typed
