{{
    config(
        materialized='incremental',
        incremental_strategy='parts',
        unique_key=['account', 'landed_partition', 'source', 'load_id'],
        meta={'parts_of': 'stg_fal__focus_report_loads', 'in_each_part': 'record_number = 1'},
    )
}}

with

landed as (

    select * from ({{ read_landed_focus_reports(
        ref('stg_fal__focus_report_loads'), ref('stg_fal__landed_files')
    ) }})

),

by_name as (

    -- fields are still text, as landed; an empty field is null
    select
        account,
        source,
        landed_partition,
        load_id,
        landed_file,
        record_number,
        {%- for column in focus_columns() %}
        {{ record_field(column) }} as {{ column }},
        {%- endfor %}
        {{ remaining_record_fields(focus_columns().keys() | list) }} as provider_columns,
        case
            when {{ array_length('field_values') }} > {{ most_csv_fields() }}
                then 'more than {{ most_csv_fields() }} fields'
            when {{ array_length('field_values') }} < {{ array_length('field_names') }} then 'too few fields'
            when {{ array_length('field_values') }} > {{ array_length('field_names') }} then 'too many fields'
            when {{ has_repeats('field_keys') }} then 'the header names a column twice'
        end as misfit,
        {{ array_as_json('field_values') }} as raw_record
    from landed

)

select * from by_name
