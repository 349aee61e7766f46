with

keys as (

    select * from {{ ref('int_tags__keys') }}

),

invoices as (

    select * from {{ ref('stg_fal__focus_invoices') }}

),

estimates as (

    select * from {{ ref('stg_fal__focus_estimates') }}

),

reported as (

    select {{ adapter.quote('Tags') }} as tags from invoices
    union
    select {{ adapter.quote('Tags') }} as tags from estimates

),

members as (

    -- of an object that repeats a key, engines keep different values: it stays as it is
    select
        tags,
        {{ json_members('tags') }} as members
    from reported
    where {{ json_keys_differ('tags') }}

),

exploded as (

    {{ explode('members', 'members', 'member', 'member_number') }}

),

written as (

    select
        exploded.tags,
        exploded.member.key as tag_key,
        exploded.member.json as tag_json
    from exploded

),

spelled as (

    -- of several keys with one spelling the one that is written so counts, or the first in byte order
    select
        written.tags,
        written.tag_json,
        written.tag_key <> keys.spelled_key as is_changed,
        keys.spelled_key,
        row_number() over (
            partition by written.tags, keys.spelled_key
            order by
                case when written.tag_key = keys.spelled_key then 0 else 1 end,
                written.tag_key asc
        ) as precedence
    from written
    inner join keys on written.tag_key = keys.tag_key

),

changed as (

    select distinct tags from spelled
    where is_changed

),

respelled as (

    select
        spelled.tags,
        {{ json_object_agg('spelled.spelled_key', 'spelled.tag_json') }} as spelled_tags
    from spelled
    inner join changed on spelled.tags = changed.tags
    where spelled.precedence = 1
    group by spelled.tags

)

select * from respelled
