-- Events whose units or price have more digits than FOCUS quantities and prices allow here. They are charged at their
-- cost.
{{ config(severity='warn') }}

select
    account,
    landed_date,
    landed_file,
    event_number,
    request_id,
    misfit_reason,
    misfit_meter
from {{ ref('stg_fal__billing_events') }}
where misfit_reason is not null
