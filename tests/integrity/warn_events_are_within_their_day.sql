-- Events in the partition of a day other than their own. They are charged on their own day.
{{ config(severity='warn') }}

select
    account,
    landed_date,
    charge_date,
    usable_events
from {{ ref('stg_fal__billing_event_days') }}
where charge_date <> landed_date and usable_events > 0
