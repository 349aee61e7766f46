with

allocation as (

    select * from {{ ref('fal_allocation') }}

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

    select
        tags,
        {{ json_members('tags') }} as members
    from reported

),

exploded as (

    {{ explode('members', 'members', 'member', 'member_number') }}

),

written as (

    select
        tag_key,
        {{ pascal_case('tag_key') }} as pascal_key,
        true as is_in_seed
    from allocation
    union
    select
        member.key as tag_key,
        {{ pascal_case('member.key') }} as pascal_key,
        false as is_in_seed
    from exploded

),

spelled as (

    -- keys that differ in case or separators alone are one tag: readers of JSON fold case, and fail on two in a column
    select
        lower(pascal_key) as folded_key,
        coalesce(min(case when is_in_seed then pascal_key end), min(pascal_key)) as spelled_key
    from written
    group by lower(pascal_key)

),

keys as (

    select distinct
        written.tag_key,
        spelled.spelled_key
    from written
    inner join spelled on lower(written.pascal_key) = spelled.folded_key

)

select * from keys
