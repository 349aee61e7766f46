with

invoices as (

    select * from {{ ref('stg_fal__focus_invoices') }}

),

closed as (

    -- The invoice of the month after closes a month for all product lines, if it holds ordinary usage of the month.
    select distinct
        account,
        {{ month_of('ChargePeriodStart') }} as charge_month
    from invoices
    where
        {{ is_ordinary_usage() }}
        and billing_month = {{ utc_date(utc_add('month', 1, month_of('ChargePeriodStart'))) }}

)

select * from closed
