-- Rows of an estimate that are not within the day it was requested for. They count on no day: rows of another day are
-- in that day's own estimate. Land the estimates of these days again, by day.
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
