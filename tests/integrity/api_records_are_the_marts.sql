-- The API serves the rows and the exact costs of the marts. Costs that the API fills in are not compared.
with

mart as (

    select
        BillingAccountId as billing_account_id,
        BillingPeriodStart as billing_period_start,
        ChargeCategory as charge_category,
        count(*) as row_count,
        sum(BilledCost) as billed_cost,
        sum(EffectiveCost) as effective_cost,
        sum(ContractedCost) as contracted_cost,
        sum(ListCost) as list_cost,
        count(*) = count(ContractedCost) as has_contracted_costs,
        count(*) = count(ListCost) as has_list_costs
    from {{ ref('cost_and_usage') }}
    group by BillingAccountId, BillingPeriodStart, ChargeCategory

),

records as (

    select
        BillingAccountId as billing_account_id,
        BillingPeriodStart as billing_period_start,
        ChargeCategory as charge_category,
        count(*) as row_count,
        sum(BilledCost) as billed_cost,
        sum(EffectiveCost) as effective_cost,
        sum(ContractedCost) as contracted_cost,
        sum(ListCost) as list_cost
    from {{ ref('cost_and_usage_records') }}
    group by BillingAccountId, BillingPeriodStart, ChargeCategory

),

commitments as (

    select
        (select count(*) from {{ ref('contract_commitment') }}) as row_count,
        (select count(*) from {{ ref('contract_commitment_records') }}) as record_count

)

select
    mart.billing_account_id,
    mart.billing_period_start,
    mart.charge_category,
    mart.row_count,
    records.row_count as record_count
from mart
full outer join records
    on
        mart.billing_account_id = records.billing_account_id
        and mart.billing_period_start = records.billing_period_start
        and mart.charge_category = records.charge_category
where
    mart.billing_account_id is null
    or records.billing_account_id is null
    or mart.row_count <> records.row_count
    or mart.billed_cost <> records.billed_cost
    or mart.effective_cost <> records.effective_cost
    or (mart.has_contracted_costs and mart.contracted_cost <> records.contracted_cost)
    or (mart.has_list_costs and mart.list_cost <> records.list_cost)
union all
select
    'commitments' as billing_account_id,
    null as billing_period_start,
    null as charge_category,
    row_count,
    record_count
from commitments
where row_count <> record_count
