with

terms as (

    select * from {{ ref('int_commitments__terms') }}
    where payment = 'prepaid' and invoice_id is not null

),

purchase_rows as (

    -- A Correction, or a row of 0 or less, is not a purchase: it takes back a part of one, or pays nothing.
    select
        x_Account as account,
        InvoiceId as invoice_id,
        x_ChargeId as charge_id,
        BilledCost as billed_cost,
        EffectiveCost as effective_cost,
        row_number() over (partition by x_Account, InvoiceId, BilledCost order by x_ChargeId asc) as equal_number
    from {{ ref('int_charges__counted') }}
    where x_ChargeSource = 'invoice' and ChargeCategory = 'Purchase' and ChargeClass is null and BilledCost > 0

),

commitments as (

    select
        *,
        row_number() over (
            partition by account, invoice_id, committed_amount
            order by period_end asc, period_start asc, contract_commitment_id asc
        ) as equal_number
    from terms

),

equal_amounts as (

    -- Equal amounts match first, in any order of the invoice: a purchase of 50 belongs to the commitment of 50.
    select
        commitments.contract_commitment_id,
        purchase_rows.charge_id
    from commitments
    inner join purchase_rows
        on
            commitments.account = purchase_rows.account
            and commitments.invoice_id = purchase_rows.invoice_id
            and commitments.committed_amount = purchase_rows.billed_cost
            and commitments.equal_number = purchase_rows.equal_number

),

other_commitments as (

    select
        commitments.*,
        row_number() over (
            partition by commitments.account, commitments.invoice_id
            order by
                commitments.committed_amount desc,
                commitments.period_end asc,
                commitments.period_start asc,
                commitments.contract_commitment_id asc
        ) as amount_number
    from commitments
    left join equal_amounts on commitments.contract_commitment_id = equal_amounts.contract_commitment_id
    where equal_amounts.contract_commitment_id is null

),

other_rows as (

    select
        purchase_rows.*,
        row_number() over (
            partition by purchase_rows.account, purchase_rows.invoice_id
            order by purchase_rows.billed_cost desc, purchase_rows.charge_id asc
        ) as amount_number
    from purchase_rows
    left join equal_amounts on purchase_rows.charge_id = equal_amounts.charge_id
    where equal_amounts.charge_id is null

),

pairs as (

    select * from equal_amounts
    union all
    -- The others match in the order of their amounts, the greatest row to the greatest commitment.
    select
        other_commitments.contract_commitment_id,
        other_rows.charge_id
    from other_commitments
    inner join other_rows
        on
            other_commitments.account = other_rows.account
            and other_commitments.invoice_id = other_rows.invoice_id
            and other_commitments.amount_number = other_rows.amount_number

),

matched as (

    select
        commitments.account,
        commitments.contract_commitment_id,
        commitments.committed_amount,
        purchase_rows.charge_id,
        purchase_rows.invoice_id,
        purchase_rows.billed_cost,
        purchase_rows.effective_cost
    from pairs
    inner join commitments on pairs.contract_commitment_id = commitments.contract_commitment_id
    inner join purchase_rows on pairs.charge_id = purchase_rows.charge_id

)

select * from matched
