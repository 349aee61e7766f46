-- for the lineage: macros read the files, and a unit test of a model needs rows of each source that the model names
-- depends_on: {{ source('landing', 'billing_events') }}
-- depends_on: {{ source('landing', 'focus_reports') }}

with

manifests as (

    select * from ({{ read_landed_manifests() }})

),

typed as (

    select
        ---------- ids
        feed,
        account,
        source,
        landed_partition,
        load_id,
        page_file as landed_file,

        ---------- numbers
        page_rows as landed_rows,
        page_bytes as landed_bytes,

        ---------- times (UTC)
        {{ try_utc_timestamp('fetched_at') }} as fetched_at,

        ---------- flags
        is_complete,
        is_one_line,
        has_short_numbers

    from manifests

)

select * from typed
