-- Prepaid commitments of which some days inside the period have not landed: what is left of them is not certain, and
-- when they end no rest is written off. Land those days, or give the commitment an opening balance.
{{ config(severity='warn') }}

select
    contract_commitment_id,
    min(commitment_date) as first_day_missing,
    count(*) as days_missing
from {{ ref('int_commitments__by_day') }}
where
    not is_landed
    and contract_commitment_id in (
        select contract_commitment_id from {{ ref('int_commitments__terms') }}
        where payment = 'prepaid'
    )
group by contract_commitment_id
