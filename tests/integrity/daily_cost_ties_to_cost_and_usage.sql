-- daily_cost splits the charges of cost_and_usage by owner. Each month, model, category and product line of an account
-- has the same amounts in both, to the last digit.
with

charges as (

    select
        x_Account as account,
        {{ month_of('ChargePeriodStart') }} as charge_month,
        case
            when x_ChargeSource = 'commitment' and ChargeCategory = 'Usage' then 'Expired Credit'
            else ChargeCategory
        end as charge_category,
        x_ProductLine as product_line,
        case
            when ChargeCategory = 'Usage' and x_ChargeSource <> 'commitment' then coalesce(ResourceId, SkuId)
        end as model_id,
        coalesce(PricingQuantity, 0) as quantity,
        coalesce(ListCost, 0) as list_cost,
        coalesce(ContractedCost, 0) as contracted_cost,
        EffectiveCost as effective_cost,
        BilledCost as billed_cost
    from {{ ref('cost_and_usage') }}
    union all
    select
        account,
        charge_month,
        charge_category,
        product_line,
        model_id,
        -quantity as quantity,
        -list_cost as list_cost,
        -contracted_cost as contracted_cost,
        -effective_cost as effective_cost,
        -billed_cost as billed_cost
    from {{ ref('daily_cost') }}

)

select
    account,
    charge_month,
    charge_category,
    product_line,
    model_id,
    sum(quantity) as missing_quantity,
    sum(list_cost) as missing_list_cost,
    sum(contracted_cost) as missing_contracted_cost,
    sum(effective_cost) as missing_effective_cost,
    sum(billed_cost) as missing_billed_cost
from charges
group by account, charge_month, charge_category, product_line, model_id
having
    sum(quantity) <> 0
    or sum(list_cost) <> 0
    or sum(contracted_cost) <> 0
    or sum(effective_cost) <> 0
    or sum(billed_cost) <> 0
