{{ config(materialized='view', meta={'published_as': 'view'}) }}

with

cost_and_usage as (

    select * from {{ ref('cost_and_usage') }}

),

charges as (

    select
        *,
        {{ provider_column('ReferenceInvoiceId') }} as x_ReferenceInvoiceId
    from cost_and_usage

),

cost_and_usage_1_4 as (

    -- the charges of FOCUS 1.3 with the columns of 1.4
    select
        ---------- FOCUS columns
        AllocatedMethodDetails,
        AllocatedMethodId,
        AllocatedResourceId,
        AllocatedResourceName,
        AllocatedTags,
        AvailabilityZone,
        BilledCost,
        BillingAccountId,
        BillingAccountName,
        BillingAccountType,
        BillingCurrency,
        BillingPeriodEnd,
        BillingPeriodStart,
        CapacityReservationId,
        CapacityReservationStatus,
        ChargeCategory,
        ChargeClass,
        ChargeDescription,
        ChargeFrequency,
        ChargePeriodEnd,
        ChargePeriodStart,
        CommitmentDiscountCategory,
        CommitmentDiscountId,
        CommitmentDiscountName,
        CommitmentDiscountQuantity,
        CommitmentDiscountStatus,
        CommitmentDiscountType,
        CommitmentDiscountUnit,
        cast(null as {{ dbt.type_string() }}) as CommitmentProgramEligibilityDetails,
        ConsumedQuantity,
        ConsumedUnit,
        {{ contract_applied_1_4() }} as ContractApplied,
        ContractedCost,
        ContractedUnitPrice,
        EffectiveCost,
        HostProviderName,
        {{ invoice_detail_id(invoice_detail_grain(), stated_billing_account_id()) }} as InvoiceDetailId,
        InvoiceId,
        InvoiceIssuerName,
        ListCost,
        ListUnitPrice,
        PricingCategory,
        PricingCurrency,
        PricingCurrencyContractedUnitPrice,
        PricingCurrencyEffectiveCost,
        PricingCurrencyListUnitPrice,
        PricingQuantity,
        PricingUnit,
        RegionId,
        RegionName,
        ResourceId,
        ResourceName,
        ResourceType,
        ServiceCategory,
        ServiceName,
        ServiceProviderName,
        ServiceSubcategory,
        SkuId,
        SkuMeter,
        SkuPriceDetails,
        SkuPriceId,
        SubAccountId,
        SubAccountName,
        SubAccountType,
        Tags,

        ---------- fal_focus
        x_Account,
        x_ApiKeyId,
        x_AuthMethod,
        x_ChargeId,
        x_ChargeSource,
        x_ChargeStatus,
        x_LoginUsername,
        x_ProductLine,
        x_ProviderColumns,
        PublisherName as x_PublisherName,
        x_ReferenceInvoiceId,
        x_Repairs,
        x_RequestCount
    from charges

)

select * from cost_and_usage_1_4
