with

contract_commitment as (

    select
        {{ record_number() }} as record_number,
        *
    from {{ ref('contract_commitment') }}

),

summary as (

    select * from {{ ref('commitment_summary') }}

),

records as (

    select
        contract_commitment.record_number,

        ---------- fields of the API
        contract_commitment.ContractCommitmentId as CommitmentDiscountId,
        cast(null as {{ dbt.type_string() }}) as CommitmentDiscountName,
        contract_commitment.ContractCommitmentType as CommitmentDiscountType,
        contract_commitment.ContractCommitmentCategory as CommitmentDiscountCategory,
        contract_commitment.ContractCommitmentPeriodStart as CommitmentStartDate,
        contract_commitment.ContractCommitmentPeriodEnd as CommitmentEndDate,
        case
            when contract_commitment.ContractCommitmentCategory = 'Usage'
                then {{ money('contract_commitment.ContractCommitmentQuantity') }}
            else contract_commitment.ContractCommitmentCost
        end as CommitmentTotalQuantity,
        case when summary.status = 'ended' then {{ money(0) }} else summary.remaining_amount end
            as CommitmentRemainingQuantity,
        summary.unit as CommitmentUnit,
        contract_commitment.ContractCommitmentDescription as CommitmentDescription,
        contract_commitment.x_BillingAccountId as BillingAccountId,
        contract_commitment.x_BillingAccountName as BillingAccountName,
        {{ sql_text(var('fal_provider_name')) }} as ProviderName,

        ---------- the columns of the mart
        contract_commitment.BillingCurrency,
        contract_commitment.ContractCommitmentCategory,
        contract_commitment.ContractCommitmentCost,
        contract_commitment.ContractCommitmentDescription,
        contract_commitment.ContractCommitmentId,
        contract_commitment.ContractCommitmentPeriodEnd,
        contract_commitment.ContractCommitmentPeriodStart,
        contract_commitment.ContractCommitmentQuantity,
        contract_commitment.ContractCommitmentType,
        contract_commitment.ContractCommitmentUnit,
        contract_commitment.ContractId,
        contract_commitment.ContractPeriodEnd,
        contract_commitment.ContractPeriodStart,
        contract_commitment.x_Account,
        contract_commitment.x_BillingAccountId,
        contract_commitment.x_BillingAccountName,
        contract_commitment.x_Payment
    from contract_commitment
    left join summary on contract_commitment.ContractCommitmentId = summary.contract_commitment_id

)

select * from records
