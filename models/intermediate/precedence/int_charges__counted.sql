{{ config(materialized='view') }}

with

from_events as (

    select * from {{ ref('int_charges__from_billing_events') }}

),

from_serverless_usage as (

    select * from {{ ref('int_charges__from_serverless_usage') }}

),

from_reports as (

    select * from {{ ref('int_charges__from_focus_reports') }}

),

day_sources as (

    select * from {{ ref('int_charge_days__sources') }}

),

invoiced as (

    -- All rows of an invoice count in any month: usage, credits, taxes and corrections.
    select
        {{ all_focus_columns() }}
    from from_reports
    where x_ChargeSource = 'invoice'

),

metered as (

    select
        {{ all_focus_columns('from_events') }}
    from from_events
    inner join day_sources
        on
            from_events.x_Account = day_sources.account
            and from_events.charge_date = day_sources.charge_date
            and from_events.x_ProductLine = day_sources.product_line
    where day_sources.charge_source = 'billing_events'

),

serverless as (

    select
        {{ all_focus_columns('from_serverless_usage') }}
    from from_serverless_usage
    inner join day_sources
        on
            from_serverless_usage.x_Account = day_sources.account
            and {{ utc_date('from_serverless_usage.ChargePeriodStart') }} = day_sources.charge_date
            and from_serverless_usage.x_ProductLine = day_sources.product_line
    where day_sources.charge_source = 'serverless_usage'

),

estimated as (

    -- The other feeds hold only usage. So credits, taxes and corrections of an estimate count in an open month,
    -- whichever feed its usage comes from.
    select
        {{ all_focus_columns('from_reports') }}
    from from_reports
    inner join day_sources
        on
            from_reports.x_Account = day_sources.account
            and {{ utc_date('from_reports.ChargePeriodStart') }} = day_sources.charge_date
            and from_reports.x_ProductLine = day_sources.product_line
    where
        from_reports.x_ChargeSource = 'estimate'
        and from_reports.is_of_its_day
        and not day_sources.is_month_closed
        and (day_sources.charge_source = 'estimate' or not {{ is_ordinary_usage('from_reports') }})

),

charges as (

    select * from invoiced
    union all
    select * from metered
    union all
    select * from serverless
    union all
    select * from estimated

)

select * from charges
