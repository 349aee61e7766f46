-- Landed pages that contain events or usage by the count of the loader, but cannot be read. They are on no bill. Land
-- the day again: python -m loaders billing-events --start DAY --end DAY, or serverless-usage in place of billing-events
{{ config(severity='warn') }}

with

unreadable as (

    select
        'billing_events' as feed,
        account,
        landed_date,
        landed_team,
        load_id,
        landed_file
    from {{ ref('stg_fal__billing_events_quarantine') }}
    where quarantine_reason = '{{ unreadable_page() }}'
    union all
    select
        'serverless_usage' as feed,
        account,
        landed_date,
        '' as landed_team,
        load_id,
        landed_file
    from {{ ref('stg_fal__serverless_usage_quarantine') }}
    where quarantine_reason = '{{ unreadable_json_page('time_series') }}'

)

select
    files.feed,
    files.account,
    files.landed_partition,
    files.landed_file,
    files.landed_rows as rows_lost
from {{ ref('stg_fal__landed_files') }} as files
inner join unreadable
    on
        files.feed = unreadable.feed
        and files.account = unreadable.account
        and coalesce(files.source, '') = unreadable.landed_team
        and files.load_id = unreadable.load_id
        and files.landed_partition = cast(unreadable.landed_date as {{ dbt.type_string() }})
        and files.landed_file = unreadable.landed_file
where files.landed_rows > 0
