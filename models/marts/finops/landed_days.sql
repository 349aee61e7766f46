with

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

known_days as (

    select * from {{ ref('int_charge_days__known') }}

),

settled_days as (

    select * from {{ ref('int_charge_days__settled') }}

),

loads as (

    select distinct
        account,
        cast(landed_partition as date) as charge_date
    from files
    where feed in ('billing_events', 'serverless_usage') or (feed = 'focus_reports' and source = 'estimate')

)

select
    settled_days.account,
    settled_days.charge_date,
    loads.account is not null as has_load,
    known_days.account is not null as is_known,
    coalesce(known_days.is_complete, false) as is_over,
    settled_days.is_settled
from settled_days
left join known_days
    on settled_days.account = known_days.account and settled_days.charge_date = known_days.charge_date
left join loads
    on settled_days.account = loads.account and settled_days.charge_date = loads.charge_date
where settled_days.product_line = 'all'
