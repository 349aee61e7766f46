with

commitments as (

    select * from {{ ref('fal_contract_commitments') }}

),

accounts as (

    select * from {{ ref('int_accounts__named') }}

),

typed as (

    -- The seed may have accounts that are not in this landing zone.
    select
        commitments.account,
        commitments.contract_id,
        commitments.contract_commitment_id,
        commitments.contract_commitment_type,
        commitments.contract_commitment_category,
        commitments.contract_commitment_description,
        commitments.payment,
        nullif(trim(commitments.endpoint_pattern), '') as endpoint_pattern,
        commitments.invoice_id,
        coalesce(commitments.billing_currency, 'USD') as billing_currency,
        case
            when commitments.contract_commitment_category = 'Usage' then commitments.contract_commitment_unit
            else coalesce(commitments.billing_currency, 'USD')
        end as unit,
        {{ money('coalesce(
            case
                when commitments.contract_commitment_category = \'Usage\' then commitments.contract_commitment_quantity
                else commitments.contract_commitment_cost
            end,
            0
        )') }} as committed_amount,
        {{ money('commitments.opening_balance') }} as opening_balance,
        {{ try_utc_timestamp('commitments.opening_balance_date') }} as opened_at,
        {{ try_utc_timestamp('commitments.contract_commitment_period_start') }} as period_start,
        {{ try_utc_timestamp('commitments.contract_commitment_period_end') }} as period_end
    from commitments
    inner join accounts on commitments.account = accounts.account

),

in_days as (

    -- A commitment is active on each day that any of its period is on. An opening balance has everything before it.
    select
        *,
        coalesce(opening_balance, committed_amount) as drawable_amount,
        {{ utc_date('period_start') }} as first_day,
        {{ utc_date('coalesce(opened_at, period_start)') }} as drawn_from,
        case
            when period_end = {{ utc_trunc('day', 'period_end') }} then {{ utc_date('period_end') }}
            else {{ utc_date(utc_add('day', 1, 'period_end')) }}
        end as end_day
    from typed

)

select * from in_days
