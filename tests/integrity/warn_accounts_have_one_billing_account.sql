-- Accounts with several billing accounts, because seeds/fal_accounts.csv has another id than the CSVs from fal.
{{ config(severity='warn') }}

select
    x_Account,
    count(distinct BillingAccountId) as billing_accounts,
    min(BillingAccountId) as one_of_them,
    max(BillingAccountId) as another_one
from {{ ref('cost_and_usage') }}
group by x_Account
having count(distinct BillingAccountId) > 1
