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

estimates as (

    select distinct
        account,
        cast(landed_partition as date) as charge_date
    from {{ ref('stg_fal__landed_files') }}
    where feed = 'focus_reports' and source = 'estimate'

)

select
    days.account,
    count(*) as days_without_estimate,
    min(days.charge_date) as first_day,
    max(days.charge_date) as last_day
from {{ ref('int_charge_days__known') }} as days
inner join accounts on days.account = accounts.account
left join estimates on days.account = estimates.account and days.charge_date = estimates.charge_date
left join {{ ref('int_charge_months__closed') }} as closed_months
    on days.account = closed_months.account and {{ month_of('days.charge_date') }} = closed_months.charge_month
where
    estimates.account is null
    and closed_months.account is null
group by days.account
