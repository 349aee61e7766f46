-- Accounts with several BillingAccountIds: seeds/fal_accounts.csv and the CSVs from fal disagree.
{{ config(severity='warn') }}

select
    x_Account,
    count(distinct BillingAccountId) as billing_accounts,
    min(BillingAccountId) as one_of_them,
    max(BillingAccountId) as another_one
from {{ ref('cost_and_usage') }}
group by x_Account
having count(distinct BillingAccountId) > 1
