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

landed_usage as (

    -- Events and serverless usage are parts of a day's usage, so it is complete when each landed part is.
    select
        account,
        cast(landed_partition as date) as charge_date,
        min(case when is_complete then 1 else 0 end) = 1 as is_complete
    from files
    where feed in ('billing_events', 'serverless_usage')
    group by account, cast(landed_partition as date)

),

known as (

    select
        account,
        charge_date,
        is_complete
    from landed_usage
    union all
    select
        account,
        cast(landed_partition as date) as charge_date,
        is_complete
    from files
    where feed = 'focus_reports' and source = 'estimate'
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
        -- without a product line it can be a fee, beside usage that has not landed
        product_line <> {{ unattributed() }} as is_complete
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
