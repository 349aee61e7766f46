with

days as (

    select * from {{ ref('int_commitments__by_day') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

paced as (

    -- the pace is the mean of the last 28 days, or of all there are
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
        cast(sum(days.applied) over last_28_days as double) / count(*) over last_28_days as daily_pace,
        min(case when days.remaining <= 0 then days.commitment_date end) over so_far as used_up_on
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
        case when daily_pace > 0 then ceil(cast(remaining as double) / daily_pace) end as days_to_run_out
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
        cast(round(daily_pace, 6) as decimal(38, 6)) as daily_amount,
        case
            when remaining <= 0 then used_up_on
            when days_to_run_out <= days_left
                then {{ utc_date(utc_add('day', 'cast(days_to_run_out as int)', 'commitment_date')) }}
        end as runs_out_on,
        cast(
            round(greatest(cast(remaining as double) - greatest(daily_pace, 0) * days_left, 0), 6)
            as decimal(38, 6)
        ) as expires_unused_amount

    from forecast

)

select * from burn_down
