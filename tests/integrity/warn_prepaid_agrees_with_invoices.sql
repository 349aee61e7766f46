-- Differences between an invoice and the prepaid commitments in seeds/fal_contract_commitments.csv: unbilled usage
-- that no commitment could pay, billed usage although a commitment had money left, covered usage that is billed below
-- 0 or above its cost, purchases and commitments without a counterpart or with another amount, and purchases in an
-- estimate, which count in addition to those that commitments make.
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
                then 'usage is billed below 0 or above its EffectiveCost: at most the EffectiveCost is drawn'
            when usage_rows.prepayable_cost <> coalesce(drawn.applied_cost, 0)
                then 'usage is unbilled, but no prepaid commitment had the money to pay for it'
            when charges.BilledCost > 0 and money_left.remaining > 0
                then 'usage is billed, although a prepaid commitment had the money to pay for it'
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
                then 'the purchase is of 0 or less and matches no commitment: a refund must be a Correction'
            when purchases.charge_id is null
                then 'the purchase matches no commitment: add the commitment to the seed, or this invoice_id to its row'
            when purchases.effective_cost <> 0
                then
                    purchases.contract_commitment_id
                    || ': its purchase has an EffectiveCost, and so has the usage that it pays for'
            when purchases.billed_cost <> purchases.committed_amount
                then
                    purchases.contract_commitment_id
                    || ': the amount of its purchase is not the committed '
                    || {{ plain_decimal('purchases.committed_amount') }}
        end as finding
    from charges
    left join purchases on charges.x_ChargeId = purchases.charge_id
    where charges.ChargeCategory = 'Purchase' and charges.ChargeClass is null

),

commitment_findings as (

    -- the commitment makes its own purchase row, because the invoice has none for it
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
        'an estimate has a purchase, and credits without an invoice make their own: one of them counts twice'
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
