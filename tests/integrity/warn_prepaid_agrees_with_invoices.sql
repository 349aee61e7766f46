-- Where an invoice and the prepaid commitments in seeds/fal_contract_commitments.csv tell different stories: usage that
-- it leaves unbilled and no commitment had the money for, usage that it bills though a commitment had money left, and a
-- purchase of credits that it shows with a cost, which the usage that draws on them has as well.
{{ config(severity='warn') }}

with

charges as (

    select * from {{ ref('int_charges__by_precedence') }}
    where x_ChargeSource = 'invoice'

),

usage_rows as (

    select * from {{ ref('int_usage__in_blocks') }}

),

drawn as (

    select
        charge_id,
        {{ money('sum(applied_cost)') }} as applied_cost
    from {{ ref('int_charges__commitments_applied') }}
    where payment = 'prepaid'
    group by charge_id

),

money_left as (

    -- what was left at the end of the day in the commitments that the charge's scope could draw on
    select
        blocks.account,
        blocks.charge_date,
        blocks.scope,
        {{ money('sum(days.remaining)') }} as remaining
    from {{ ref('int_blocks__commitments') }} as blocks
    inner join {{ ref('int_commitments__by_day') }} as days
        on
            blocks.contract_commitment_id = days.contract_commitment_id
            and blocks.charge_date = days.commitment_date
    where blocks.payment = 'prepaid'
    group by blocks.account, blocks.charge_date, blocks.scope

),

purchases as (

    select * from {{ ref('int_commitments__purchases') }}

),

usage_findings as (

    select
        charges.x_ChargeId as charge_id,
        charges.InvoiceId as invoice_id,
        case
            when usage_rows.prepayable_cost <> coalesce(drawn.applied_cost, 0)
                then 'leaves a cost unbilled that no prepaid commitment had the money for'
            when charges.BilledCost > 0 and money_left.remaining > 0
                then 'bills a cost that a prepaid commitment had the money for'
        end as finding
    from charges
    inner join usage_rows on charges.x_ChargeId = usage_rows.charge_id
    inner join money_left
        on
            usage_rows.account = money_left.account
            and usage_rows.charge_date = money_left.charge_date
            and usage_rows.scope = money_left.scope
    left join drawn on charges.x_ChargeId = drawn.charge_id

),

purchase_findings as (

    select
        charge_id,
        invoice_id,
        'shows a purchase of credits with an effective cost, or another amount than the commitment has' as finding
    from purchases
    where effective_cost <> 0 or billed_cost <> committed_amount

)

select * from usage_findings
where finding is not null
union all
select * from purchase_findings
