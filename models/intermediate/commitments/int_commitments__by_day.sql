with

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

as_of as (

    select * from {{ ref('int_accounts__as_of') }}

),

applied as (

    select * from {{ ref('int_usage__commitments_applied') }}

),

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

closed_months as (

    select * from {{ ref('int_charge_months__closed') }}

),

covered as (

    select * from {{ ref('int_charge_days__covered_by_invoices') }}

),

running as (

    select
        terms.*,
        as_of.as_of,
        least(terms.end_day, as_of.as_of) as shown_until
    from terms
    inner join as_of on terms.account = as_of.account
    where terms.drawn_from < least(terms.end_day, as_of.as_of)

),

days as (

    select
        account,
        contract_commitment_id,
        {{ each_day('drawn_from', 'shown_until') }} as commitment_date,
        drawable_amount,
        end_day
    from running

),

landed_days as (

    select
        account,
        cast(landed_partition as date) as landed_date
    from files
    -- an open day may still bring usage
    where is_complete and coalesce(source, 'billing_events') in ('billing_events', 'estimate')
    union
    -- the usage of a day that an invoice covers is known from it
    select
        days.account,
        days.commitment_date as landed_date
    from days
    inner join covered
        on
            days.account = covered.account
            and days.commitment_date >= covered.covered_from
            and days.commitment_date < covered.covered_until

),

applied_by_day as (

    select
        contract_commitment_id,
        charge_date,
        {{ money('sum(applied_quantity)') }} as applied
    from applied
    group by contract_commitment_id, charge_date

),

by_day as (

    select
        days.account,
        days.contract_commitment_id,
        days.commitment_date,
        days.end_day,
        days.drawable_amount,
        landed_days.landed_date is not null or closed_months.charge_month is not null as is_landed,
        coalesce(applied_by_day.applied, {{ money(0) }}) as applied
    from days
    left join applied_by_day
        on
            days.contract_commitment_id = applied_by_day.contract_commitment_id
            and days.commitment_date = applied_by_day.charge_date
    left join landed_days
        on days.account = landed_days.account and days.commitment_date = landed_days.landed_date
    left join closed_months
        on
            days.account = closed_months.account
            and {{ month_of('days.commitment_date') }} = closed_months.charge_month

),

running_totals as (

    select
        *,
        {{ money('sum(applied) over so_far') }} as applied_so_far,
        {{ money('drawable_amount - (sum(applied) over so_far)') }} as remaining,
        (min(case when is_landed then 1 else 0 end) over so_far) = 1 as is_landed_so_far
    from by_day
    window so_far as (
        partition by contract_commitment_id
        order by commitment_date asc
        rows between unbounded preceding and current row
    )

)

select * from running_totals
