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
        lower({{ pascal_case('member.key') }}) as tag_key,
        '{"value":' || member.json || '}' as tag_json
    from exploded

),

pivoted as (

    select
        tags,
        max(case when tag_key = 'team' then tag_json end) as team,
        max(case when tag_key = 'costcenter' then tag_json end) as cost_center,
        max(case when tag_key = 'project' then tag_json end) as project,
        max(case when tag_key = 'environment' then tag_json end) as environment
    from members
    group by tags

),

owners as (

    select
        tags,
        {{ json_member_text('team', 'value') }} as team,
        {{ json_member_text('cost_center', 'value') }} as cost_center,
        {{ json_member_text('project', 'value') }} as project,
        {{ json_member_text('environment', 'value') }} as environment
    from pivoted

)

select * from owners
