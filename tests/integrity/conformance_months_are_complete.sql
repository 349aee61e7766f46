-- The checks of charges and of their elements have every month, and no other month.
with

held as (

    select distinct
        'charges' as what,
        account,
        billing_month,
        month_version
    from {{ ref('conformance_of_charges') }}
    union all
    select distinct
        'elements' as what,
        account,
        billing_month,
        month_version
    from {{ ref('conformance_of_elements') }}

),

wanted as (

    select
        'charges' as what,
        *
    from {{ ref('conformance_months') }}
    union all
    select
        'elements' as what,
        *
    from {{ ref('conformance_months') }}

)

select
    coalesce(held.what, wanted.what) as what,
    coalesce(held.account, wanted.account) as account,
    coalesce(held.billing_month, wanted.billing_month) as billing_month,
    held.month_version as held_version,
    wanted.month_version as wanted_version
from held
full outer join wanted
    on
        held.what = wanted.what
        and held.account = wanted.account
        and held.billing_month = wanted.billing_month
        and held.month_version = wanted.month_version
where held.what is null or wanted.what is null
