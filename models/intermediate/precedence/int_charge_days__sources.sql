with

covered as (

    select * from {{ ref('int_charge_days__covered_by_invoices') }}

),

events as (

    select * from {{ ref('int_charges__from_billing_events') }}

),

reports as (

    select * from {{ ref('int_charges__from_focus_reports') }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

),

charged_days as (

    select distinct
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        'billing_events' as feed
    from events
    union all
    select distinct
        x_Account as account,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        'estimate' as feed
    from reports
    where x_ChargeSource = 'estimate' and is_of_its_day

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

    -- one charge counts once: a closed month is its invoice alone; in an open one the days that an invoice covers come
    -- from it, the others from events, and a day without events from the estimate
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
