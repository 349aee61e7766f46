with

reports as (

    select * from {{ ref('int_charges__from_focus_reports') }}

),

invoiced_usage as (

    -- a correction speaks of a day that another invoice has charged already
    select
        x_Account as account,
        billing_month,
        ChargePeriodStart as period_start,
        ChargePeriodEnd as period_end,
        {{ utc_date('ChargePeriodStart') }} as first_day,
        {{ utc_date('ChargePeriodEnd') }} as last_day
    from reports
    where x_ChargeSource = 'invoice' and {{ is_ordinary_usage() }}

),

whole_days as (

    -- a row longer than a day covers the whole UTC days inside it: [covered_from, covered_until)
    select
        *,
        period_end > {{ utc_add('day', 1, 'period_start') }} as is_longer_than_a_day,
        case
            when period_start = {{ utc_trunc('day', 'period_start') }} then first_day
            else {{ utc_date(utc_add('day', 1, 'first_day')) }}
        end as first_whole_day
    from invoiced_usage

),

covered as (

    -- a shorter one covers the day it starts on, and so does a longer one without a whole day inside it
    select distinct
        account,
        {{ month_of('period_start') }} as charge_month,
        billing_month = {{ utc_date(utc_add('month', 1, utc_trunc('month', 'period_start'))) }}
            as is_of_the_month_after,
        case when is_longer_than_a_day and first_whole_day < last_day then first_whole_day else first_day end
            as covered_from,
        case
            when is_longer_than_a_day and first_whole_day < last_day then last_day
            else {{ utc_date(utc_add('day', 1, 'first_day')) }}
        end as covered_until
    from whole_days

)

select * from covered
