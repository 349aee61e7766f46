-- Prepaid credits that expired although usage of Serverless that they can pay for has not landed for days of their
-- period. That usage can draw on them, and then less has expired. Land the days: python -m loaders serverless-usage.
{{ config(severity='warn') }}

with

expired as (

    select
        x_Account as account,
        ResourceId as contract_commitment_id,
        EffectiveCost as effective_cost
    from {{ ref('int_charges__from_commitments') }}
    where ChargeCategory = 'Usage'

),

apps as (

    select distinct
        x_Account as account,
        coalesce(ResourceId, SkuId) as endpoint_id
    from {{ ref('int_charges__from_serverless_usage') }}

),

paying as (

    -- expired credits that can pay for an app of the account
    select distinct
        expired.account,
        expired.contract_commitment_id,
        expired.effective_cost
    from expired
    inner join {{ ref('int_commitments__terms') }} as terms
        on expired.contract_commitment_id = terms.contract_commitment_id
    inner join apps
        on
            expired.account = apps.account
            and (terms.endpoint_pattern is null or {{ matches_glob('apps.endpoint_id', 'terms.endpoint_pattern') }})

),

landed_days as (

    -- an estimate has the usage of all product lines
    select distinct
        account,
        cast(landed_partition as date) as charge_date
    from {{ ref('stg_fal__landed_files') }}
    where feed = 'serverless_usage' or (feed = 'focus_reports' and source = 'estimate')

),

missing_days as (

    select
        paying.account,
        paying.contract_commitment_id,
        paying.effective_cost,
        days.commitment_date
    from paying
    inner join {{ ref('int_commitments__by_day') }} as days
        on paying.contract_commitment_id = days.contract_commitment_id
    left join landed_days
        on paying.account = landed_days.account and days.commitment_date = landed_days.charge_date
    left join {{ ref('int_charge_months__closed') }} as closed_months
        on
            paying.account = closed_months.account
            and {{ month_of('days.commitment_date') }} = closed_months.charge_month
    left join {{ ref('int_charge_days__covered_by_invoices') }} as covered
        on
            paying.account = covered.account
            and covered.product_line = 'serverless'
            and days.commitment_date >= covered.covered_from
            and days.commitment_date < covered.covered_until
    where landed_days.account is null and closed_months.account is null and covered.account is null

)

select
    account,
    contract_commitment_id,
    min(commitment_date) as first_day_missing,
    max(commitment_date) as last_day_missing,
    count(distinct commitment_date) as days_missing,
    {{ plain_decimal('effective_cost') }} as expired_usd
from missing_days
group by account, contract_commitment_id, effective_cost
