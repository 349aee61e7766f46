{{ config(materialized='view') }}

with

records as (

    select * from {{ ref('base_fal__typed_focus_reports') }}

),

usable as (

    select
        ---------- where it was landed
        account,
        cast(landed_partition as date) as landed_date,
        load_id,
        landed_file,
        record_number,

        ---------- FOCUS columns
        {%- for column in focus_columns() %}
        {{ column }},
        {%- endfor %}

        ---------- columns that FOCUS does not define, as a JSON object
        provider_columns,

        ---------- names of the times that were landed as a date or without a zone; they are read as UTC
        bare_times

    from records
    where source = 'estimate' and quarantine_reason is null

)

select * from usable
