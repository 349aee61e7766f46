-- An account that was landed and that seeds/fal_accounts.csv does not name: its alias stands in for its
-- BillingAccountId.
{{ config(severity='warn') }}

select * from {{ ref('int_accounts__known') }}
where not is_in_seed
