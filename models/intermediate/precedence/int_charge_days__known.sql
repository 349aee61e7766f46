with

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

),

covered as (

    select * from {{ ref('int_charge_days__covered_by_invoices') }}

),

known as (

    select
        account,
        cast(landed_partition as date) as charge_date,
        is_complete
    from files
    where coalesce(source, 'billing_events') in ('billing_events', 'estimate')
    union all
    select
        account,
        {{ each_day('charge_month', utc_date(utc_add('month', 1, 'charge_month'))) }} as charge_date,
        true as is_complete
    from closed_months
    union all
    select
        account,
        {{ each_day('covered_from', 'covered_until') }} as charge_date,
        true as is_complete
    from covered

),

days as (

    select
        account,
        charge_date,
        max(case when is_complete then 1 else 0 end) = 1 as is_complete
    from known
    group by account, charge_date

)

select * from days
