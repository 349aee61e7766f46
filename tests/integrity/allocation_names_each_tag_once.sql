-- Lines of seeds/fal_allocation.csv that give an account and auth method the same tag twice. Keys that differ only in
-- case or separators are the same tag. To fix it, remove one of the lines.
select
    allocation.account,
    allocation.auth_method,
    keys.spelled_key,
    count(*) as times_named
from {{ ref('fal_allocation') }} as allocation
inner join {{ ref('int_tags__keys') }} as keys on allocation.tag_key = keys.tag_key and keys.tags is null
group by allocation.account, allocation.auth_method, keys.spelled_key
having count(*) > 1
