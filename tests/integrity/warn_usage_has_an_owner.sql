-- Usage without tags, in accounts that have lines in seeds/fal_allocation.csv, with its amount and its costliest
-- caller. Add a line for the caller, or one for the whole account. Rows of invoices and estimates have the tags of
-- their file.
{{ config(severity='warn') }}

with

owned_accounts as (

    select distinct account from {{ ref('fal_allocation') }}

),

untagged as (

    select
        charges.x_Account as account,
        charges.SubAccountName as team,
        charges.x_AuthMethod as auth_method,
        charges.x_ApiKeyId as api_key_id,
        charges.x_LoginUsername as login_username,
        sum(charges.EffectiveCost) as cost_usd
    from {{ ref('cost_and_usage') }} as charges
    inner join owned_accounts on charges.x_Account = owned_accounts.account
    where
        charges.x_ChargeSource in ('billing_events', 'serverless_usage')
        and charges.{{ adapter.quote('Tags') }} is null
    group by
        charges.x_Account,
        charges.SubAccountName,
        charges.x_AuthMethod,
        charges.x_ApiKeyId,
        charges.x_LoginUsername

),

with_totals as (

    select
        *,
        sum(cost_usd) over (partition by account) as account_usd,
        row_number() over (
            partition by account
            order by
                cost_usd desc,
                team asc nulls last,
                auth_method asc nulls last,
                api_key_id asc nulls last,
                login_username asc nulls last
        ) as costliness
    from untagged

)

select
    account,
    {{ plain_decimal('account_usd') }} as untagged_usd,
    {{ plain_decimal('cost_usd') }} as of_which_usd_by_one_caller,
    team,
    auth_method,
    api_key_id,
    login_username
from with_totals
where costliness = 1
