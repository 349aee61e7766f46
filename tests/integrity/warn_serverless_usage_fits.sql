-- Serverless usage whose quantity, unit price or discount cannot be used, with its cost. It is charged at its cost.
{{ config(severity='warn') }}

select
    account,
    misfit_reason,
    min(charge_date) as first_day,
    max(charge_date) as last_day,
    count(*) as usage_rows,
    {{ plain_decimal('sum(cost_total_usd)') }} as cost_usd
from {{ ref('stg_fal__serverless_usage') }}
where misfit_reason is not null
group by account, misfit_reason
