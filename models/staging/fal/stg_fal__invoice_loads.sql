{{ config(materialized='view') }}
-- depends_on: {{ source('landing', 'focus_reports') }}

with

loads as (

    select * from ({{ read_loads_of_invoices() }})

),

typed as (

    -- a load id begins with the time of the fetch: 20261014T090000
    select
        account,
        cast(landed_partition || '-01' as date) as billing_month,
        load_id,
        {{ try_utc_timestamp(
            "concat_ws('', substr(load_id, 1, 4), '-', substr(load_id, 5, 2), '-', substr(load_id, 7, 5), ':',"
            ~ " substr(load_id, 12, 2), ':', substr(load_id, 14, 2), 'Z')"
        ) }} as loaded_at
    from loads

)

select * from typed
