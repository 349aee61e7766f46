-- Prepaid commitments with days in their period that have not landed. Their rest is uncertain, and does not expire when
-- they end. Land those days, or give the commitment an opening balance.
{{ config(severity='warn') }}

select
    days.contract_commitment_id,
    min(days.commitment_date) as first_day_missing,
    count(*) as days_missing
from {{ ref('int_commitments__by_day') }} as days
inner join {{ ref('int_commitments__terms') }} as terms on days.contract_commitment_id = terms.contract_commitment_id
where terms.payment = 'prepaid' and not days.is_known
group by days.contract_commitment_id
