-- No row of a landed page is staged twice.
select
    account,
    landed_date,
    load_id,
    landed_file,
    event_number,
    count(*) as row_count
from {{ ref('base_fal__typed_billing_events') }}
where {{ is_in_parts(
    untested_parts('tested_loads', ref('stg_fal__billing_event_loads')), ['account', 'landed_date', 'load_id']
) }}
group by account, landed_date, load_id, landed_file, event_number
having count(*) > 1
