-- An account whose rows name several billing accounts: seeds/fal_accounts.csv says another id than fal's CSVs.
{{ config(severity='warn') }}

select
    x_Account,
    count(distinct BillingAccountId) as billing_accounts,
    min(BillingAccountId) as one_of_them,
    max(BillingAccountId) as another_one
from {{ ref('cost_and_usage') }}
group by x_Account
having count(distinct BillingAccountId) > 1
