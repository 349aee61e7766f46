with

covered as (

    select * from {{ ref('int_charge_days__covered_by_invoices') }}

),

closed as (

    -- the invoice of the month after has landed and holds usage of this one
    select distinct
        account,
        charge_month
    from covered
    where is_of_the_month_after

)

select * from closed
