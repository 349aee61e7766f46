-- Events landed in the partition of another day than their own. They are charged on their own day.
{{ config(severity='warn') }}

select
    account,
    landed_date,
    landed_file,
    event_number,
    request_id,
    billed_at
from {{ ref('stg_fal__billing_events') }}
where {{ utc_date('billed_at') }} <> landed_date
