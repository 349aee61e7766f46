with

commitments as (

    select * from {{ ref('fal_contract_commitments') }}

),

accounts as (

    select * from {{ ref('int_accounts__named') }}

),

contract_commitment as (

    -- only accounts in this landing zone; the seed can contain others
    select
        ---------- FOCUS columns
        coalesce(commitments.billing_currency, 'USD') as BillingCurrency,
        commitments.contract_commitment_category as ContractCommitmentCategory,
        {{ money('commitments.contract_commitment_cost') }} as ContractCommitmentCost,
        commitments.contract_commitment_description as ContractCommitmentDescription,
        commitments.contract_commitment_id as ContractCommitmentId,
        {{ try_utc_timestamp('commitments.contract_commitment_period_end') }} as ContractCommitmentPeriodEnd,
        {{ try_utc_timestamp('commitments.contract_commitment_period_start') }} as ContractCommitmentPeriodStart,
        {{ quantity('commitments.contract_commitment_quantity') }} as ContractCommitmentQuantity,
        commitments.contract_commitment_type as ContractCommitmentType,
        commitments.contract_commitment_unit as ContractCommitmentUnit,
        commitments.contract_id as ContractId,
        {{ try_utc_timestamp('commitments.contract_period_end') }} as ContractPeriodEnd,
        {{ try_utc_timestamp('commitments.contract_period_start') }} as ContractPeriodStart,

        ---------- fal_focus
        commitments.account as x_Account,
        accounts.billing_account_id as x_BillingAccountId,
        accounts.billing_account_name as x_BillingAccountName,
        commitments.payment as x_Payment

    from commitments
    inner join accounts on commitments.account = accounts.account

)

select * from contract_commitment
