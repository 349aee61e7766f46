-- Invalid rows of seeds/fal_contract_commitments.csv: which row, the reason, and how to correct it.
with

commitments as (

    select
        *,
        {{ try_utc_timestamp('contract_commitment_period_start') }} as period_start,
        {{ try_utc_timestamp('contract_commitment_period_end') }} as period_end,
        {{ try_utc_timestamp('contract_period_start') }} as contract_start,
        {{ try_utc_timestamp('contract_period_end') }} as contract_end,
        {{ try_utc_timestamp('opening_balance_date') }} as opened_at,
        count(*) over (partition by contract_commitment_id) as times_named
    from {{ ref('fal_contract_commitments') }}

),

accounts as (

    select * from {{ ref('fal_accounts') }}

),

judged as (

    select
        commitments.contract_commitment_id,
        commitments.account,
        case
            when accounts.account is null
                then 'its account is not in seeds/fal_accounts.csv: add it there or correct the alias'
            when commitments.times_named > 1
                then 'its contract_commitment_id is used more than once: give each commitment an id of its own'
            when coalesce(commitments.payment, '') not in ('prepaid', 'in_arrears')
                then 'its payment is neither prepaid nor in_arrears: choose one'
            when coalesce(commitments.contract_commitment_category, '') not in ('Spend', 'Usage')
                then 'its contract_commitment_category is neither Spend nor Usage: choose one'
            when coalesce(commitments.billing_currency, 'USD') <> 'USD'
                then 'its currency is not USD, in which fal bills: correct billing_currency'
            when commitments.period_start is null or commitments.period_end is null
                then 'its period is not two dates: write them as YYYY-MM-DD'
            when commitments.period_end <= commitments.period_start
                then 'it ends before it starts: the end is exclusive and must be later than the start'
            when commitments.contract_start is null or commitments.contract_end is null
                then 'the period of its contract is not two dates: write them as YYYY-MM-DD'
            when commitments.contract_end <= commitments.contract_start
                then 'its contract ends before it starts: the end is exclusive and must be later than the start'
            when
                commitments.period_start < commitments.contract_start
                or commitments.period_end > commitments.contract_end
                then 'it is not within the period of its contract: correct one of the periods'
            when commitments.payment = 'prepaid' and commitments.contract_commitment_category = 'Usage'
                then 'it is prepaid in units: credits are money, make it Spend with a cost, or in_arrears'
            when
                commitments.contract_commitment_category = 'Spend'
                and coalesce(commitments.contract_commitment_cost, 0) <= 0
                then 'it is a Spend commitment without a cost: fill in contract_commitment_cost'
            when
                commitments.contract_commitment_category = 'Usage'
                and (
                    coalesce(commitments.contract_commitment_quantity, 0) <= 0
                    or commitments.contract_commitment_unit is null
                )
                then 'it is a Usage commitment without a quantity and unit: fill in both'
            when
                commitments.contract_commitment_cost >= 1000000000000000
                or commitments.contract_commitment_quantity >= 1000000000000000
                then 'it commits to 10^15 or more, beyond what forecasts can multiply: use a larger unit'
            when
                commitments.payment = 'prepaid'
                and commitments.purchase_cost <> commitments.contract_commitment_cost
                then 'it was bought at another price than its face: enter what was paid as its cost'
            when (commitments.opening_balance is null) <> (commitments.opened_at is null)
                then 'it has an opening balance without its date, or a date without it: fill in both or neither'
            when commitments.opened_at < commitments.period_start or commitments.opened_at >= commitments.period_end
                then 'its opening balance is of a day outside its period: correct opening_balance_date'
            when
                commitments.opening_balance < 0
                or commitments.opening_balance > coalesce(
                    case
                        when commitments.contract_commitment_category = 'Usage'
                            then cast(commitments.contract_commitment_quantity as decimal(38, 18))
                        else commitments.contract_commitment_cost
                    end,
                    0
                )
                then 'its opening balance is not between 0 and what was committed: correct it'
        end as finding
    from commitments
    left join accounts on commitments.account = accounts.account

)

select * from judged
where finding is not null
