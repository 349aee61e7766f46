-- Landed pages that contain events by the count of the loader, but cannot be read. Their events are on no bill. Land
-- the day again: python -m loaders billing-events --start DAY --end DAY
{{ config(severity='warn') }}

select
    files.account,
    files.landed_partition,
    files.landed_file,
    files.landed_rows as events_lost
from {{ ref('stg_fal__landed_files') }} as files
inner join {{ ref('stg_fal__billing_events_quarantine') }} as quarantine
    on
        files.account = quarantine.account
        and files.load_id = quarantine.load_id
        and files.landed_partition = cast(quarantine.landed_date as {{ dbt.type_string() }})
        and files.landed_file = quarantine.landed_file
where
    files.feed = 'billing_events'
    and files.landed_rows > 0
    and quarantine.quarantine_reason = '{{ unreadable_page() }}'
