with

covered as (

    select * from {{ ref('int_charge_days__covered_by_invoices') }}

),

closed as (

    -- The invoice of the month after closes a month, if it holds ordinary usage of the month.
    select distinct
        account,
        charge_month
    from covered
    where invoice_month = {{ utc_date(utc_add('month', 1, 'charge_month')) }}

)

select * from closed
