-- The costs of a month, account and category are equal in FOCUS 1.3 and 1.4, to the last digit.
with

{% for name, mart in {'focus_1_3': ref('cost_and_usage'), 'focus_1_4': ref('focus_1_4__cost_and_usage')}.items() -%}
{{ name }} as (

    select
        BillingPeriodStart,
        x_Account,
        ChargeCategory,
        count(*) as charges,
        sum(BilledCost) as billed_cost,
        sum(ContractedCost) as contracted_cost,
        sum(EffectiveCost) as effective_cost,
        sum(ListCost) as list_cost
    from {{ mart }}
    group by BillingPeriodStart, x_Account, ChargeCategory

),

{% endfor -%}
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
