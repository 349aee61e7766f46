-- Events of seeds/fal_known_events.csv without a day, because valid_to is not after valid_from. valid_to is the first
-- day after the event. Correct the dates.
select
    account,
    scope_type,
    scope,
    valid_from,
    valid_to
from {{ ref('fal_known_events') }}
where valid_to <= valid_from
