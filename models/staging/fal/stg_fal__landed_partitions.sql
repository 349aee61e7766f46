-- Macros list the paths; these sources put them into the lineage graph.
-- depends_on: {{ source('landing', 'billing_events') }}
-- depends_on: {{ source('landing', 'focus_reports') }}
-- depends_on: {{ source('landing', 'serverless_usage') }}
-- depends_on: {{ source('landing', 'catalogue') }}

with

loads as (

    select * from ({{ read_landed_loads() }})

),

typed as (

    -- a load id begins with the time of the fetch: 20261014T090000
    select
        feed,
        account,
        source,
        landed_partition,
        {{ try_utc_timestamp(
            "concat_ws('', substr(load_id, 1, 4), '-', substr(load_id, 5, 2), '-', substr(load_id, 7, 5), ':',"
            ~ " substr(load_id, 12, 2), ':', substr(load_id, 14, 2), 'Z')"
        ) }} as loaded_at
    from loads

),

partitions as (

    select
        feed,
        account,
        source,
        landed_partition,
        count(*) as loads,
        min(loaded_at) as first_loaded_at
    from typed
    group by feed, account, source, landed_partition

)

select * from partitions
