-- Days of open months without an estimate, for accounts that use Compute. Only estimates and invoices contain Compute,
-- so the bill of these days lacks it. `python -m loaders sync --since <first_day>` lands them, except where fal refuses
-- FOCUS reports.
{{ config(severity='warn') }}

with

accounts as (

    select distinct x_Account as account
    from {{ ref('int_charges__from_focus_reports') }}
    where x_ProductLine = 'compute'

),

days as (

    -- An invoice can cover days to come, such as those of a fee in advance, so a day counts from its first load on.
    select
        account,
        cast(landed_partition as date) as charge_date,
        max(case when feed = 'focus_reports' then 1 else 0 end) = 1 as has_estimate
    from {{ ref('stg_fal__landed_files') }}
    where feed in ('billing_events', 'serverless_usage') or (feed = 'focus_reports' and source = 'estimate')
    group by account, cast(landed_partition as date)

)

select
    days.account,
    count(*) as days_without_estimate,
    min(days.charge_date) as first_day,
    max(days.charge_date) as last_day
from days
inner join accounts on days.account = accounts.account
left join {{ ref('int_charge_months__closed') }} as closed_months
    on days.account = closed_months.account and {{ month_of('days.charge_date') }} = closed_months.charge_month
where
    not days.has_estimate
    and closed_months.account is null
group by days.account
