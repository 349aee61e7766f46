-- The costs of a month, account and category are equal in FOCUS 1.3 and 1.4, to the last digit.
with

focus_1_3 as (

    select
        BillingPeriodStart,
        x_Account,
        ChargeCategory,
        count(*) as charges,
        sum(BilledCost) as billed_cost,
        sum(ContractedCost) as contracted_cost,
        sum(EffectiveCost) as effective_cost,
        sum(ListCost) as list_cost
    from {{ ref('cost_and_usage') }}
    group by BillingPeriodStart, x_Account, ChargeCategory

),

focus_1_4 as (

    select
        BillingPeriodStart,
        x_Account,
        ChargeCategory,
        count(*) as charges,
        sum(BilledCost) as billed_cost,
        sum(ContractedCost) as contracted_cost,
        sum(EffectiveCost) as effective_cost,
        sum(ListCost) as list_cost
    from {{ ref('focus_1_4__cost_and_usage') }}
    group by BillingPeriodStart, x_Account, ChargeCategory

),

only_in_1_3 as (

    select * from focus_1_3
    except
    select * from focus_1_4

),

only_in_1_4 as (

    select * from focus_1_4
    except
    select * from focus_1_3

)

select
    '1.3' as only_in,
    only_in_1_3.*
from only_in_1_3
union all
select
    '1.4' as only_in,
    only_in_1_4.*
from only_in_1_4
