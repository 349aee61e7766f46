-- Accounts whose prepaid commitments have another credit than fal states, on the latest day with a balance and complete
-- usage. During a day, the balance falls from the credit at its start, with purchases of the day, to that at its end. A
-- balance before such a purchase is lower than both. A cent allows for rounding.
-- Correct seeds/fal_contract_commitments.csv: a purchase, its amount, its period or its opening balance.
{{ config(severity='warn') }}

with

numbered as (

    select
        *,
        row_number() over (partition by account order by balance_date desc) as balances_ago
    from {{ ref('int_commitments__balances') }}
    where is_complete

)

select
    account,
    balance_date,
    {{ plain_decimal('fal_balance') }} as fal_balance,
    {{ plain_decimal('credit_at_start') }} as credit_at_start_of_day,
    {{ plain_decimal('credit_at_end') }} as credit_at_end_of_day
from numbered
where
    balances_ago = 1
    and (
        fal_balance < least(credit_at_start, least_credit) - cast(0.01 as decimal(3, 2))
        or fal_balance > greatest(credit_at_start, credit_at_end) + cast(0.01 as decimal(3, 2))
    )
