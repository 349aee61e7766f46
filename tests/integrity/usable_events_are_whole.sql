-- An event that is charged has its ids, its time and its cost.
select
    account,
    landed_date,
    landed_file,
    event_number,
    request_id,
    endpoint_id,
    cost_nano_usd,
    billed_at,
    charge_date
from {{ ref('stg_fal__billing_events') }}
where
    {{ is_in_parts(
        untested_parts('tested_loads', ref('stg_fal__billing_event_loads')),
        ['account', 'landed_date', 'landed_team', 'load_id']
    ) }}
    and (
        request_id is null
        or endpoint_id is null
        or cost_nano_usd is null
        or billed_at is null
        or charge_date is null
    )
