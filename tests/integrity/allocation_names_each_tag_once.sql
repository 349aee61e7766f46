-- Lines of seeds/fal_allocation.csv that give the same tag under the same conditions. Keys that differ only in case or
-- separators are the same tag. To fix it, remove one of the lines.
{%- set conditions = [
    'account', 'auth_method', 'api_key_id', 'key_alias', 'login_username', 'team', 'valid_from', 'valid_to'
] %}

select
    {%- for column in conditions %}
    allocation.{{ column }},
    {%- endfor %}
    keys.spelled_key,
    count(*) as times_named
from {{ ref('fal_allocation') }} as allocation
inner join {{ ref('int_tags__keys') }} as keys on allocation.tag_key = keys.tag_key and keys.tags is null
group by
    {%- for column in conditions %}
    allocation.{{ column }},
    {%- endfor %}
    keys.spelled_key
having count(*) > 1
