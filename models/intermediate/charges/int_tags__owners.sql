with

members as (

    select * from {{ ref('int_tags__members') }}

),

owners as (

    select
        tags,
        max(case when tag_key = 'team' then tag_value end) as team,
        max(case when tag_key = 'costcenter' then tag_value end) as cost_center,
        max(case when tag_key = 'project' then tag_value end) as project,
        max(case when tag_key = 'environment' then tag_value end) as environment
    from members
    group by tags

)

select * from owners
