-- Lines of seeds/fal_allocation.csv that apply on no day, because valid_to is not after valid_from. valid_to is the first
-- day on which a line does not apply any more. Correct the dates.
select
    account,
    tag_key,
    tag_value,
    valid_from,
    valid_to
from {{ ref('fal_allocation') }}
where valid_to <= valid_from
