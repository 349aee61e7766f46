-- The costs of a month, account and category are equal in FOCUS 1.3 and 1.4, to the last digit.
{%- set costs = ['BilledCost', 'ContractedCost', 'EffectiveCost', 'ListCost', 'PricingCurrencyEffectiveCost'] %}

with

{% for version, mart in {'1_3': ref('cost_and_usage'), '1_4': ref('focus_1_4__cost_and_usage')}.items() -%}
focus_{{ version }} as (

    select
        BillingPeriodStart,
        x_Account,
        ChargeCategory,
        count(*) as charges
        {%- for cost in costs %},
        sum({{ cost }}) as {{ cost }}
        {%- endfor %}
    from {{ mart }}
    group by BillingPeriodStart, x_Account, ChargeCategory

),

{% endfor -%}
differences as (

    select * from focus_1_3
    except
    select * from focus_1_4
    union all
    (
        select * from focus_1_4
        except
        select * from focus_1_3
    )

)

select * from differences
