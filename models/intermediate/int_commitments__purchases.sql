with

terms as (

    select * from {{ ref('int_commitments__terms') }}
    where payment = 'prepaid' and invoice_id is not null

),

charges as (

    select * from {{ ref('int_charges__by_precedence') }}
    where x_ChargeSource = 'invoice' and ChargeCategory = 'Purchase'

),

commitments as (

    select
        account,
        invoice_id,
        contract_commitment_id,
        committed_amount,
        row_number() over (
            partition by account, invoice_id
            order by committed_amount desc, contract_commitment_id asc
        ) as purchase_number
    from terms

),

invoiced as (

    select
        x_Account as account,
        InvoiceId as invoice_id,
        x_ChargeId as charge_id,
        BilledCost as billed_cost,
        EffectiveCost as effective_cost,
        row_number() over (
            partition by x_Account, InvoiceId
            order by BilledCost desc, x_ChargeId asc
        ) as purchase_number
    from charges

),

matched as (

    -- an invoice may show several purchases: each is one commitment's, the greatest the greatest's
    select
        commitments.account,
        commitments.contract_commitment_id,
        commitments.committed_amount,
        invoiced.charge_id,
        invoiced.invoice_id,
        invoiced.billed_cost,
        invoiced.effective_cost
    from commitments
    inner join invoiced
        on
            commitments.account = invoiced.account
            and commitments.invoice_id = invoiced.invoice_id
            and commitments.purchase_number = invoiced.purchase_number

)

select * from matched
