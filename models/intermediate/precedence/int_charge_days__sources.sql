with

event_days as (

    select * from {{ ref('int_billing_event_days__versions') }}

),

estimates as (

    select * from {{ ref('stg_fal__focus_estimates') }}

),

covered as (

    select * from {{ ref('int_charge_days__covered_by_invoices') }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

),

charged_days as (

    select
        account,
        charge_date,
        'billing_events' as feed
    from event_days
    union all
    select distinct
        account,
        landed_date as charge_date,
        'estimate' as feed
    from estimates
    where {{ is_of_its_day() }}

),

days as (

    select
        account,
        charge_date,
        {{ month_of('charge_date') }} as charge_month,
        max(case when feed = 'billing_events' then 1 else 0 end) = 1 as has_events,
        max(case when feed = 'estimate' then 1 else 0 end) = 1 as has_estimate
    from charged_days
    group by account, charge_date

),

invoiced_days as (

    select distinct
        days.account,
        days.charge_date
    from days
    inner join covered
        on
            days.account = covered.account
            and days.charge_date >= covered.covered_from
            and days.charge_date < covered.covered_until

),

decided as (

    -- A closed month has the usage of its invoice alone. In an open month, an invoice comes before events on the days
    -- that it covers, and events come before the estimate.
    select
        days.account,
        days.charge_date,
        days.charge_month,
        closed_months.account is not null as is_month_closed,
        invoiced_days.account is not null as is_invoiced,
        days.has_events,
        days.has_estimate,
        case
            when closed_months.account is not null or invoiced_days.account is not null then 'invoice'
            when days.has_events then 'billing_events'
            else 'estimate'
        end as charge_source
    from days
    left join closed_months
        on days.account = closed_months.account and days.charge_month = closed_months.charge_month
    left join invoiced_days
        on days.account = invoiced_days.account and days.charge_date = invoiced_days.charge_date

)

select * from decided
