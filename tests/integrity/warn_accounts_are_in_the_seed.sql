-- An account that was landed and that seeds/fal_accounts.csv does not name: the BillingAccountId of its latest FOCUS
-- CSV, or its alias, stands in.
{{ config(severity='warn') }}

select * from {{ ref('int_accounts__named') }}
where not is_in_seed
