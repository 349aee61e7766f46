-- Serverless usage that a day's load states more than once, with different amounts. The row with the greatest cost
-- counts.
{{ config(severity='warn') }}

select
    account,
    charge_date,
    app,
    environment,
    machine_type,
    is_surge,
    unit_price_usd,
    count(*) as row_count,
    min(cost_total_usd) as least_cost_usd,
    max(cost_total_usd) as greatest_cost_usd
from {{ ref('stg_fal__serverless_usage') }}
group by
    account,
    charge_date,
    app,
    environment,
    machine_type,
    is_surge,
    unit,
    unit_price_usd,
    percent_discount,
    misfit_price
having count(distinct cost_total_usd) > 1 or count(distinct quantity) > 1
