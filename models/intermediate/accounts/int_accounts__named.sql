with

landed as (

    select distinct account from {{ ref('stg_fal__landed_files') }}

),

named as (

    select * from {{ ref('fal_accounts') }}

),

invoices as (

    select * from {{ ref('stg_fal__focus_invoices') }}

),

estimates as (

    select * from {{ ref('stg_fal__focus_estimates') }}

),

reported as (

    select
        account,
        billing_month as landed_for,
        BillingAccountId,
        BillingAccountName,
        BillingAccountType
    from invoices
    where BillingAccountId is not null
    union
    select
        account,
        landed_date as landed_for,
        BillingAccountId,
        BillingAccountName,
        BillingAccountType
    from estimates
    where BillingAccountId is not null

),

numbered as (

    select
        *,
        row_number() over (
            partition by account
            order by
                landed_for desc,
                BillingAccountId asc,
                BillingAccountName asc nulls last,
                BillingAccountType asc nulls last
        ) as reports_ago
    from reported

),

known as (

    -- An account that is not in the seed takes the id and the name of its latest report, so that its events have the
    -- same id. Without a report, it takes its alias for both.
    select
        landed.account,
        coalesce(named.billing_account_id, numbered.BillingAccountId, landed.account) as billing_account_id,
        coalesce(named.billing_account_name, numbered.BillingAccountName, landed.account) as billing_account_name,
        coalesce(named.billing_account_type, numbered.BillingAccountType, 'Account') as billing_account_type,
        named.billing_account_name as name_in_seed,
        named.billing_account_type as type_in_seed,
        named.account is not null as is_in_seed
    from landed
    left join named on landed.account = named.account
    left join numbered on landed.account = numbered.account and numbered.reports_ago = 1

)

select * from known
