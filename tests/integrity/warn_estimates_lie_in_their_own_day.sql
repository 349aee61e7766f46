-- Rows of an estimate that speak of another day than the one asked for. They are not counted: that day's own estimate
-- says.
{{ config(severity='warn') }}

select
    account,
    landed_date,
    landed_file,
    record_number,
    ChargePeriodStart,
    BilledCost
from {{ ref('stg_fal__focus_estimates') }}
where
    {{ utc_date('ChargePeriodStart') }} <> landed_date
    or ChargePeriodEnd > {{ utc_add('day', 1, utc_trunc('day', 'ChargePeriodStart')) }}
