with

days as (

    select * from {{ ref('int_commitments__by_day') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

paced as (

    -- The pace is the mean of the last 28 days, or of all days if there are fewer. It stays a sum and a number of days,
    -- so that only the results are rounded. A commitment is used up on the day after the last day with a rest.
    select
        days.account,
        terms.contract_id,
        days.contract_commitment_id,
        days.commitment_date,
        terms.unit,
        terms.committed_amount,
        days.applied,
        days.applied_so_far,
        days.remaining,
        {{ days_between('days.commitment_date', 'days.end_day') }} - 1 as days_left,
        {{ money('sum(days.applied) over last_28_days') }} as pace_amount,
        count(*) over last_28_days as pace_days,
        min(days.commitment_date) over so_far as first_date,
        max(case when days.remaining > 0 then days.commitment_date end) over so_far as last_date_with_rest
    from days
    inner join terms on days.contract_commitment_id = terms.contract_commitment_id
    window last_28_days as (
        partition by days.contract_commitment_id
        order by days.commitment_date asc
        rows between 27 preceding and current row
    ),
    so_far as (
        partition by days.contract_commitment_id
        order by days.commitment_date asc
        rows between unbounded preceding and current row
    )

),

forecast as (

    select
        *,
        case
            when pace_amount > 0 and remaining * pace_days <= pace_amount * days_left
                then {{ quotient_rounded_up('remaining * pace_days', 'pace_amount') }}
        end as days_to_run_out,
        {{ money('remaining * pace_days - greatest(pace_amount, 0) * days_left') }} as rest_in_pace_days
    from paced

),

burn_down as (

    select
        ---------- ids
        account,
        contract_id,
        contract_commitment_id,
        commitment_date,

        ---------- amounts, in the commitment's unit
        unit,
        committed_amount,
        applied as applied_amount,
        applied_so_far as applied_so_far_amount,
        remaining as remaining_amount,

        ---------- forecast at the pace of the last 28 days
        cast(days_left as bigint) as days_left,
        {{ rounded_quotient('pace_amount', 'pace_days') }} as daily_amount,
        case
            when remaining <= 0
                then coalesce({{ utc_date(utc_add('day', 1, 'last_date_with_rest')) }}, first_date)
            when days_to_run_out is not null
                then {{ utc_date(utc_add('day', 'cast(days_to_run_out as int)', 'commitment_date')) }}
        end as runs_out_on,
        {{ rounded_quotient('greatest(rest_in_pace_days, 0)', 'pace_days') }} as expires_unused_amount

    from forecast

)

select * from burn_down
