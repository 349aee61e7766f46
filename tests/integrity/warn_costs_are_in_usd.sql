-- Rows in another currency. The models of finops add up the amounts of an account and expect USD.
{{ config(severity='warn') }}

select
    x_ChargeId,
    BillingCurrency,
    BilledCost
from {{ ref('cost_and_usage') }}
where BillingCurrency <> 'USD'
