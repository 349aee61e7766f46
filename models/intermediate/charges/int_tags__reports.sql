with

keys as (

    -- Engines keep different values of an object that repeats a key, so such an object stays as it is.
    select * from {{ ref('int_tags__keys') }}
    where tags is not null and {{ json_keys_differ('tags') }}

),

ranked as (

    -- Of several keys with one spelling, the key that is already spelled so counts, else the first in byte order.
    select
        tags,
        tag_json,
        spelled_key,
        tag_key <> spelled_key as is_changed,
        row_number() over (
            partition by tags, spelled_key
            order by case when tag_key = spelled_key then 0 else 1 end, tag_key asc
        ) as precedence
    from keys

),

changed as (

    select distinct tags from ranked
    where is_changed

),

respelled as (

    select
        ranked.tags,
        {{ json_object_agg('ranked.spelled_key', 'ranked.tag_json') }} as spelled_tags
    from ranked
    inner join changed on ranked.tags = changed.tags
    where ranked.precedence = 1
    group by ranked.tags

)

select * from respelled
