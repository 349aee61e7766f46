with

charged as (

    select distinct
        account,
        auth_method
    from {{ ref('int_billing_event_usage__priced') }}

),

allocation as (

    select * from {{ ref('fal_allocation') }}

),

keys as (

    select * from {{ ref('int_tags__keys') }}

),

matched as (

    -- a line without an auth method holds for the whole account, unless a line for the auth method sets the same key
    select
        charged.account,
        charged.auth_method,
        keys.spelled_key,
        allocation.tag_value,
        row_number() over (
            partition by charged.account, charged.auth_method, keys.spelled_key
            order by allocation.auth_method asc nulls last, allocation.tag_value asc
        ) as precedence
    from charged
    inner join allocation
        on
            charged.account = allocation.account
            and (allocation.auth_method is null or charged.auth_method = allocation.auth_method)
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
