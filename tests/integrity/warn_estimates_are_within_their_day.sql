-- Estimate rows that are not within the day of their estimate. They count on no day, because the estimate of their own
-- day has them too. Land the estimates of these days again, by day.
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
