with

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

as_of as (

    select * from {{ ref('int_accounts__as_of') }}

),

burn_down as (

    select * from {{ ref('commitment_burn_down') }}

),

numbered as (

    select
        *,
        row_number() over (partition by contract_commitment_id order by commitment_date desc) as days_ago
    from burn_down

),

latest as (

    select * from numbered
    where days_ago = 1

),

summary as (

    select
        ---------- ids
        terms.account,
        terms.contract_id,
        terms.contract_commitment_id,
        terms.contract_commitment_type,
        terms.contract_commitment_category,
        terms.payment,

        ---------- when (UTC)
        terms.period_start,
        terms.period_end,
        as_of.as_of,
        case
            when as_of.as_of is null or as_of.as_of <= terms.first_day then 'upcoming'
            when as_of.as_of >= terms.end_day then 'ended'
            when latest.remaining_amount <= 0 then 'used up'
            else 'running'
        end as status,

        ---------- amounts, in the commitment's unit
        terms.unit,
        terms.committed_amount,
        coalesce(latest.applied_so_far_amount, {{ money(0) }}) as applied_amount,
        coalesce(latest.remaining_amount, terms.drawable_amount) as remaining_amount,

        ---------- forecast at the pace of the last 28 days
        latest.daily_amount,
        latest.runs_out_on,
        latest.expires_unused_amount

    from terms
    left join as_of on terms.account = as_of.account
    left join latest on terms.contract_commitment_id = latest.contract_commitment_id

)

select * from summary
