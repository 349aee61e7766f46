-- Each row of priced usage is one charge: names, models, callers and sub accounts add and remove no row. Counts of all
-- days take less time than keys of a day. cost_and_usage tests the keys of the charges that count.
with

priced as (

    select count(*) as usage_rows from {{ ref('int_billing_event_usage__priced') }}

),

described as (

    select count(*) as charge_rows from {{ ref('int_charges__from_billing_events') }}

)

select
    priced.usage_rows,
    described.charge_rows
from priced
cross join described
where priced.usage_rows <> described.charge_rows
