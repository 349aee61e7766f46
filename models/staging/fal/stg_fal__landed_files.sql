-- Macros read the files; these sources put them into the lineage graph. They are named here, not in the base models,
-- because a unit test must give rows for every source of its model.
-- depends_on: {{ source('landing', 'billing_events') }}
-- depends_on: {{ source('landing', 'focus_reports') }}
-- depends_on: {{ source('landing', 'serverless_usage') }}
-- depends_on: {{ source('landing', 'catalogue') }}

with

files as (

    select * from {{ ref('base_fal__landed_files') }}

),

typed as (

    select
        ---------- ids
        feed,
        account,
        source,
        landed_partition,
        load_id,
        -- ends the build: another file must not be opened, and an older load must not count in its place
        case
            when misfit is null then page_file
            else {{ raise_error(
                "'the manifest ' || " ~ printable('manifest_file') ~ " || ' does not agree with its folder or with what"
                ~ " a loader writes (' || misfit || '): python -m loaders verify finds it and prints how to load it again'"
            ) }}
        end as landed_file,

        ---------- numbers
        page_rows as landed_rows,
        page_bytes as landed_bytes,

        ---------- times (UTC)
        {{ try_utc_timestamp('fetched_at') }} as fetched_at,

        ---------- flags
        is_complete,
        is_one_line,
        has_short_numbers

    from files

)

select * from typed
