-- Where an invoice and the prepaid commitments in seeds/fal_contract_commitments.csv disagree: usage that the invoice
-- leaves unbilled and no commitment could pay, usage that it bills although a commitment had money left, usage covered
-- by one that it bills at less than nothing or above its cost, purchases and commitments without a counterpart or of
-- another amount, and purchases of an estimate, which count beside those that commitments make.
{{ config(severity='warn') }}

with

charges as (

    select * from {{ ref('int_charges__counted') }}
    where x_ChargeSource = 'invoice'

),

usage_rows as (

    select * from {{ ref('int_usage__ordered') }}

),

drawn as (

    select
        charge_id,
        {{ money('sum(applied_cost)') }} as applied_cost
    from {{ ref('int_usage__commitments_applied') }}
    where payment = 'prepaid'
    group by charge_id

),

purchases as (

    select * from {{ ref('int_commitments__purchases') }}

),

commitments as (

    select * from {{ ref('int_commitments__terms') }}
    where payment = 'prepaid'

),

endpoint_days as (

    select distinct
        usage_rows.account,
        usage_rows.charge_date,
        usage_rows.endpoint_id,
        scopes.contract_commitment_id
    from usage_rows
    inner join {{ ref('int_commitments__scopes') }} as scopes
        on usage_rows.account = scopes.account and usage_rows.endpoint_id = scopes.endpoint_id

),

money_left as (

    -- what is left at the end of the day of the credits that can pay for the endpoint
    select
        endpoint_days.account,
        endpoint_days.charge_date,
        endpoint_days.endpoint_id,
        {{ money('sum(days.remaining)') }} as remaining
    from endpoint_days
    inner join commitments on endpoint_days.contract_commitment_id = commitments.contract_commitment_id
    inner join {{ ref('int_commitments__by_day') }} as days
        on
            endpoint_days.contract_commitment_id = days.contract_commitment_id
            and endpoint_days.charge_date = days.commitment_date
    group by endpoint_days.account, endpoint_days.charge_date, endpoint_days.endpoint_id

),

landed_invoices as (

    select distinct
        x_Account as account,
        InvoiceId as invoice_id
    from charges
    where InvoiceId is not null

),

usage_findings as (

    select
        charges.InvoiceId as invoice_id,
        charges.x_ChargeId as charge_id,
        charges.BilledCost as billed_cost,
        case
            when
                charges.BilledCost * sign(charges.EffectiveCost) < 0
                or abs(charges.BilledCost) > abs(charges.EffectiveCost)
                then 'usage is billed at less than nothing or above its EffectiveCost: no more than that is drawn'
            when usage_rows.prepayable_cost <> coalesce(drawn.applied_cost, 0)
                then 'usage is left unbilled that no prepaid commitment had the money for'
            when charges.BilledCost > 0 and money_left.remaining > 0
                then 'usage is billed that a prepaid commitment had the money for'
        end as finding
    from charges
    inner join usage_rows on charges.x_ChargeId = usage_rows.charge_id
    inner join money_left
        on
            usage_rows.account = money_left.account
            and usage_rows.charge_date = money_left.charge_date
            and usage_rows.endpoint_id = money_left.endpoint_id
    left join drawn on charges.x_ChargeId = drawn.charge_id

),

purchase_findings as (

    select
        charges.InvoiceId as invoice_id,
        charges.x_ChargeId as charge_id,
        charges.BilledCost as billed_cost,
        case
            when charges.BilledCost <= 0
                then 'the purchase is of 0 or less and of no commitment: a Correction takes back what was bought'
            when purchases.charge_id is null
                then 'the purchase is of no commitment: add it to the seed, or this invoice_id to its commitment'
            when purchases.effective_cost <> 0
                then
                    purchases.contract_commitment_id
                    || ': its purchase has an EffectiveCost, which the usage that draws on it has as well'
            when purchases.billed_cost <> purchases.committed_amount
                then
                    purchases.contract_commitment_id
                    || ': its purchase has another amount, not the committed '
                    || {{ plain_decimal('purchases.committed_amount') }}
        end as finding
    from charges
    left join purchases on charges.x_ChargeId = purchases.charge_id
    where charges.ChargeCategory = 'Purchase' and charges.ChargeClass is null

),

commitment_findings as (

    -- its own row stands beside the invoice, which has no row for it
    select
        commitments.invoice_id,
        cast(null as {{ dbt.type_string() }}) as charge_id,
        commitments.committed_amount as billed_cost,
        commitments.contract_commitment_id || ' names this invoice, which has no purchase left for it: correct the seed'
            as finding
    from commitments
    inner join landed_invoices
        on commitments.account = landed_invoices.account and commitments.invoice_id = landed_invoices.invoice_id
    left join purchases on commitments.contract_commitment_id = purchases.contract_commitment_id
    where purchases.contract_commitment_id is null

),

accounts_with_credits as (

    select distinct account from commitments

),

estimated_purchases as (

    select
        charges.InvoiceId as invoice_id,
        charges.x_ChargeId as charge_id,
        charges.BilledCost as billed_cost,
        'an estimate holds a purchase, and credits that are not invoiced make their own: one of them is too many'
            as finding
    from {{ ref('int_charges__counted') }} as charges
    inner join accounts_with_credits on charges.x_Account = accounts_with_credits.account
    where charges.x_ChargeSource = 'estimate' and charges.ChargeCategory = 'Purchase'

),

findings as (

    select * from usage_findings
    union all
    select * from estimated_purchases
    union all
    select * from purchase_findings
    union all
    select * from commitment_findings

)

select * from findings
where finding is not null
