with

allocation as (

    select distinct tag_key from {{ ref('fal_allocation') }}

),

reported as (

    select {{ adapter.quote('Tags') }} as tags from {{ ref('stg_fal__focus_invoices') }}
    union
    select {{ adapter.quote('Tags') }} as tags from {{ ref('stg_fal__focus_estimates') }}

),

members as (

    select
        tags,
        {{ json_members('tags') }} as members
    from reported

),

exploded as (

    {{ explode('members', 'members', 'member', 'key_number') }}

),

keys as (

    select
        cast(null as {{ dbt.type_string() }}) as tags,
        cast(null as bigint) as key_number,
        tag_key,
        cast(null as {{ dbt.type_string() }}) as tag_json,
        {{ pascal_case('tag_key') }} as pascal_key,
        true as is_in_seed
    from allocation
    union all
    select
        tags,
        key_number,
        member.key as tag_key,
        member.json as tag_json,
        {{ pascal_case('member.key') }} as pascal_key,
        false as is_in_seed
    from exploded

),

spelled as (

    -- Keys that differ only in case or separators are one tag. JSON readers that ignore case fail on two of them.
    select
        tags,
        key_number,
        tag_key,
        tag_json,
        coalesce(
            min(case when is_in_seed then pascal_key end) over (partition by lower(pascal_key)),
            min(pascal_key) over (partition by lower(pascal_key))
        ) as spelled_key
    from keys

)

select * from spelled
