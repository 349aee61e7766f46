{{ config(materialized='view') }}

with

manifests as (

    select * from ({{ read_landed_manifests() }})

),

named as (

    select
        *,
        -- the file name that the loader writes at this position
        case
            when feed <> 'focus_reports'
                then 'page-' || lpad(cast(page_number as {{ dbt.type_string() }}), 5, '0') || '.json.gz'
            when page_number = 1 then 'report.csv.gz'
        end as expected_file
    from manifests

),

judged as (

    select
        *,
        -- why the load cannot be read, null when it can
        case
            when not coalesce(stated_feed = feed, false) then 'feed'
            when not coalesce(stated_account = account, false) then 'account'
            when coalesce(stated_source, '') <> coalesce(source, '') then 'source'
            when not coalesce(stated_partition = landed_partition, false) then 'partition'
            when not coalesce(stated_load_id = load_id, false) then 'load_id'
            when not coalesce(page_file = expected_file, false) then 'file'
            when not coalesce(page_rows >= 0, false) then 'rows'
        end as misfit
    from named

)

select * from judged
