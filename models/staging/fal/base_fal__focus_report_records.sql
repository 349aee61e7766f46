{{
    config(
        materialized='incremental',
        incremental_strategy='parts',
        unique_key=['account', 'landed_partition', 'source', 'load_id'],
        meta={'parts_of': 'stg_fal__focus_report_loads', 'in_each_part': 'record_number = 1'},
    )
}}

with

records as (

    select * from ({{ read_landed_focus_reports(
        ref('stg_fal__focus_report_loads'), ref('stg_fal__landed_files')
    ) }})

)

select * from records
