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

balances as (

    select * from {{ ref('int_commitments__balances') }}

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

numbered_balances as (

    select
        *,
        row_number() over (partition by account order by balance_date desc) as balances_ago
    from balances

),

latest_balances as (

    select * from numbered_balances
    where balances_ago = 1

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
        latest.expires_unused_amount,

        ---------- fal's balance of the account, beside the credits of the account that are active on that day
        latest_balances.fal_balance,
        latest_balances.balance_date as fal_balance_on,
        {{ money('latest_balances.fal_balance - latest_balances.credit_at_end') }} as balance_difference

    from terms
    left join as_of on terms.account = as_of.account
    left join latest on terms.contract_commitment_id = latest.contract_commitment_id
    left join latest_balances on terms.account = latest_balances.account and terms.payment = 'prepaid'

)

select * from summary
