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

known_days as (

    select * from {{ ref('int_charge_days__known') }}
    -- a day that is not complete can still bring usage
    where is_complete

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
        known_days.charge_date is not null as is_known,
        coalesce(applied_by_day.applied, {{ money(0) }}) as applied
    from days
    left join applied_by_day
        on
            days.contract_commitment_id = applied_by_day.contract_commitment_id
            and days.commitment_date = applied_by_day.charge_date
    left join known_days
        on days.account = known_days.account and days.commitment_date = known_days.charge_date

),

running_totals as (

    select
        *,
        {{ money('sum(applied) over so_far') }} as applied_so_far,
        {{ money('drawable_amount - (sum(applied) over so_far)') }} as remaining,
        (min(case when is_known then 1 else 0 end) over so_far) = 1 as is_known_so_far
    from by_day
    window so_far as (
        partition by contract_commitment_id
        order by commitment_date asc
        rows between unbounded preceding and current row
    )

)

select * from running_totals
