with

allocation as (

    select * from {{ ref('fal_allocation') }}

),

keys as (

    select * from {{ ref('int_tags__keys') }}
    where tags is null

),

auth_methods as (

    select
        account,
        auth_method
    from allocation
    union
    -- for requests of any other auth method
    select
        account,
        null as auth_method
    from allocation

),

matched as (

    -- A line without an auth method is for the whole account, unless a line for the auth method sets the same key.
    select
        auth_methods.account,
        auth_methods.auth_method,
        keys.spelled_key,
        allocation.tag_value,
        row_number() over (
            partition by auth_methods.account, auth_methods.auth_method, keys.spelled_key
            order by allocation.auth_method asc nulls last, allocation.tag_value asc
        ) as precedence
    from auth_methods
    inner join allocation
        on
            auth_methods.account = allocation.account
            and (allocation.auth_method is null or auth_methods.auth_method = allocation.auth_method)
    inner join keys on allocation.tag_key = keys.tag_key

),

tags as (

    select
        account,
        auth_method,
        {{ json_object_agg('spelled_key', json_text('tag_value')) }} as tags
    from matched
    where precedence = 1
    group by account, auth_method

)

select * from tags
