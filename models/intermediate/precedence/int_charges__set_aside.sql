{{ config(materialized='view') }}

with

from_events as (

    select * from {{ ref('int_charges__from_billing_events') }}

),

from_serverless_usage as (

    select * from {{ ref('int_charges__from_serverless_usage') }}

),

invoiced_days as (

    select * from {{ ref('int_charge_days__sources') }}
    where charge_source = 'invoice'

),

metered as (

    select
        {{ all_focus_columns('from_events') }}
    from from_events
    inner join invoiced_days
        on
            from_events.x_Account = invoiced_days.account
            and {{ utc_date('from_events.ChargePeriodStart') }} = invoiced_days.charge_date
            and from_events.x_ProductLine = invoiced_days.product_line

),

serverless as (

    select
        {{ all_focus_columns('from_serverless_usage') }}
    from from_serverless_usage
    inner join invoiced_days
        on
            from_serverless_usage.x_Account = invoiced_days.account
            and {{ utc_date('from_serverless_usage.ChargePeriodStart') }} = invoiced_days.charge_date
            and from_serverless_usage.x_ProductLine = invoiced_days.product_line

),

charges as (

    select * from metered
    union all
    select * from serverless

)

select * from charges
