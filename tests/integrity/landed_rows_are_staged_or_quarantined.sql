-- Every event, CSV record, result of usage and catalogue item that the loader counted is in staging or in quarantine
-- exactly once: the rows of a page have the numbers from 1 to its count. A page that cannot be read is one row of
-- quarantine, and is reported there.
{% set loads = untested_parts('tested_loads', ref('stg_fal__billing_event_loads')) %}
with

files as (

    select
        *,
        concat_ws(' ', feed, source) as feed_name
    from {{ ref('stg_fal__landed_files') }}
    where
        feed <> 'billing_events'
        or {{ is_in_parts(
            loads,
            [
                'account',
                "case when feed = 'billing_events' then cast(landed_partition as date) end",
                "coalesce(source, '')",
                'load_id',
            ]
        ) }}

),

staged as (

    select
        concat_ws(' ', 'billing_events', nullif(landed_team, '')) as feed_name,
        account,
        cast(landed_date as {{ dbt.type_string() }}) as landed_partition,
        load_id,
        landed_file,
        count(*) as staged_rows,
        -- the numbers from 1 to n, each once, have known sums of the numbers and of their squares
        max(event_number) = count(*)
        and 2 * sum(event_number) = count(*) * (count(*) + 1)
        and 6 * sum(event_number * event_number) = count(*) * (count(*) + 1) * (2 * count(*) + 1) as is_staged_once,
        max(case when quarantine_reason = '{{ unreadable_page() }}' then 1 else 0 end) = 1 as is_unreadable
    from {{ ref('base_fal__typed_billing_events') }}
    where {{ is_in_parts(loads, ['account', 'landed_date', 'landed_team', 'load_id']) }}
    group by account, landed_date, landed_team, load_id, landed_file
    union all
    select
        'serverless_usage' as feed_name,
        account,
        cast(landed_date as {{ dbt.type_string() }}) as landed_partition,
        load_id,
        landed_file,
        count(*) as staged_rows,
        max(row_number) = count(*) and count(distinct row_number) = count(*) as is_staged_once,
        max(
            case
                when quarantine_reason in ('{{ unreadable_json_page('time_series') }}', '{{ unreadable_bucket() }}')
                    then 1
                else 0
            end
        ) = 1 as is_unreadable
    from {{ ref('base_fal__typed_serverless_usage') }}
    group by account, landed_date, load_id, landed_file
    union all
    select
        concat_ws(' ', 'catalogue', source) as feed_name,
        account,
        cast(snapshot_date as {{ dbt.type_string() }}) as landed_partition,
        load_id,
        landed_file,
        count(*) as staged_rows,
        max(item_number) = count(*) and count(distinct item_number) = count(*) as is_staged_once,
        max(case when quarantine_reason like 'the page is not a JSON %' then 1 else 0 end) = 1 as is_unreadable
    from {{ ref('base_fal__typed_catalogue_items') }}
    group by source, account, snapshot_date, load_id, landed_file
    union all
    select
        concat_ws(' ', 'focus_reports', source) as feed_name,
        account,
        landed_partition,
        load_id,
        landed_file,
        count(*) as staged_rows,
        true as is_staged_once,
        false as is_unreadable
    from {{ ref('base_fal__typed_focus_reports') }}
    group by source, account, landed_partition, load_id, landed_file

),

compared as (

    select
        coalesce(files.feed_name, staged.feed_name) as feed_name,
        coalesce(files.account, staged.account) as account,
        coalesce(files.landed_partition, staged.landed_partition) as landed_partition,
        coalesce(files.load_id, staged.load_id) as load_id,
        coalesce(files.landed_file, staged.landed_file) as landed_file,
        coalesce(files.landed_rows, 0) as landed_rows,
        coalesce(staged.staged_rows, 0) as staged_rows,
        coalesce(staged.is_staged_once, true) as is_staged_once,
        coalesce(staged.is_unreadable, false) as is_unreadable
    from files
    full outer join staged
        on
            files.feed_name = staged.feed_name
            and files.account = staged.account
            and files.landed_partition = staged.landed_partition
            and files.load_id = staged.load_id
            and files.landed_file = staged.landed_file

)

select * from compared
where (landed_rows <> staged_rows or not is_staged_once) and not is_unreadable
