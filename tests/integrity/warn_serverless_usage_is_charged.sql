-- Serverless usage in quarantine, with the cost that is missing on the bill. The cost of a row is unknown if fal states
-- none, or if it is no number. stg_fal__serverless_usage_quarantine has the rows with their text.
{{ config(severity='warn') }}

select
    account,
    quarantine_reason,
    min(landed_date) as first_day,
    max(landed_date) as last_day,
    count(*) as usage_rows,
    coalesce({{ plain_decimal('sum(cost_total_usd)') }}, 'unknown') as cost_missing
from {{ ref('stg_fal__serverless_usage_quarantine') }}
group by account, quarantine_reason
