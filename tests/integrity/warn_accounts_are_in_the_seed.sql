-- Landed accounts that are not in seeds/fal_accounts.csv. They use the BillingAccountId of their latest FOCUS CSV, or
-- their alias.
{{ config(severity='warn') }}

select * from {{ ref('int_accounts__named') }}
where not is_in_seed
