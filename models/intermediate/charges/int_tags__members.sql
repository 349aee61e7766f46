with

callers as (

    select * from {{ ref('int_tags__callers') }}

),

reports as (

    select * from {{ ref('int_charges__from_focus_reports') }}

),

tag_texts as (

    select tags from callers
    union
    select {{ adapter.quote('Tags') }} as tags from reports

),

with_members as (

    select
        tags,
        {{ json_members('tags') }} as members
    from tag_texts
    where tags is not null

),

exploded as (

    {{ explode('with_members', 'members', 'member', 'member_number') }}

),

members as (

    select
        exploded.tags,
        {{ comparable_key('member.key') }} as tag_key,
        '{"value":' || member.json || '}' as tag_json
    from exploded

),

tag_values as (

    -- A tag that an invoice has in two spellings has one value.
    select
        tags,
        tag_key,
        {{ json_member_text('max(tag_json)', 'value') }} as tag_value
    from members
    group by tags, tag_key

)

select * from tag_values
