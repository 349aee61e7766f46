-- Prepaid commitments of which some days inside the period have not landed: what is left of them is not certain, and
-- when they end no rest is written off. Land those days, or give the commitment an opening balance.
{{ config(severity='warn') }}

select
    days.contract_commitment_id,
    min(days.commitment_date) as first_day_missing,
    count(*) as days_missing
from {{ ref('int_commitments__by_day') }} as days
inner join {{ ref('int_commitments__terms') }} as terms on days.contract_commitment_id = terms.contract_commitment_id
where terms.payment = 'prepaid' and not days.is_known
group by days.contract_commitment_id
