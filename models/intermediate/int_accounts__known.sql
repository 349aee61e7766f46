with

landed as (

    select distinct account from {{ ref('stg_fal__landed_files') }}

),

named as (

    select * from {{ ref('fal_accounts') }}

),

known as (

    -- an account that the seed does not name is still somebody's bill: its alias is its id and its name
    select
        landed.account,
        coalesce(named.billing_account_id, landed.account) as billing_account_id,
        coalesce(named.billing_account_name, landed.account) as billing_account_name,
        coalesce(named.billing_account_type, 'Account') as billing_account_type,
        named.account is not null as is_in_seed
    from landed
    left join named on landed.account = named.account

)

select * from known
