with

balances as (

    select * from {{ ref('stg_fal__balances') }}

),

as_of as (

    select * from {{ ref('int_accounts__as_of') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}
    where payment = 'prepaid'

),

days as (

    select * from {{ ref('int_commitments__by_day') }}

),

known_days as (

    select * from {{ ref('int_charge_days__known') }}

),

dated as (

    -- Usage is known until the as-of day, so a balance of that day is compared with the end of the day before.
    select
        balances.account,
        balances.snapshot_date,
        balances.current_balance,
        balances.currency,
        least(
            balances.snapshot_date, {{ utc_date(utc_add('day', -1, 'as_of.as_of')) }}
        ) as last_known_day
    from balances
    inner join as_of on balances.account = as_of.account
    where balances.snapshot_date <= as_of.as_of

),

credits as (

    -- of the prepaid credits of the account, those that are active on the day of the balance
    select
        dated.account,
        dated.snapshot_date,
        dated.current_balance,
        dated.snapshot_date >= terms.drawn_from and dated.snapshot_date < terms.end_day as is_active,
        dated.snapshot_date = terms.first_day as is_bought_that_day,
        coalesce(days.remaining, terms.drawable_amount) as remaining,
        case when days.commitment_date = dated.snapshot_date then days.applied else 0 end as applied
    from dated
    inner join terms on dated.account = terms.account and dated.currency = terms.unit
    left join days
        on
            terms.contract_commitment_id = days.contract_commitment_id
            and dated.last_known_day = days.commitment_date

),

compared as (

    select
        account,
        snapshot_date,
        current_balance,
        {{ money('sum(case when is_active then remaining + applied else 0 end)') }} as credit_at_start,
        {{ money('sum(case when is_active then remaining else 0 end)') }} as credit_at_end,
        -- The balance may be older than a purchase of its day, and then usage has drawn on the other credits alone.
        {{ money(
            'greatest(' ~ money(0) ~ ', sum(case when is_active and not is_bought_that_day then remaining else 0 end)'
            ~ ' - sum(case when is_active and is_bought_that_day then applied else 0 end))'
        ) }} as least_credit
    from credits
    group by account, snapshot_date, current_balance

),

completed as (

    select
        compared.account,
        compared.snapshot_date as balance_date,
        compared.current_balance as fal_balance,
        compared.credit_at_start,
        compared.credit_at_end,
        compared.least_credit,
        coalesce(known_days.is_complete, false) as is_complete
    from compared
    left join known_days
        on compared.account = known_days.account and compared.snapshot_date = known_days.charge_date

)

select * from completed
