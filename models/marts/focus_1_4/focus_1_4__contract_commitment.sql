with

contract_commitment as (

    select * from {{ ref('contract_commitment') }}

),

seed as (

    select * from {{ ref('fal_contract_commitments') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

days as (

    select * from {{ ref('int_commitments__by_day') }}

),

as_of as (

    select * from {{ ref('int_accounts__as_of') }}

),

files as (

    select * from {{ ref('stg_fal__landed_files') }}

),

partitions as (

    select * from {{ ref('stg_fal__landed_partitions') }}

),

first_loads as (

    select
        account,
        min(first_loaded_at) as first_loaded_at
    from partitions
    group by account

),

account_loads as (

    -- superseded loads count too, as long as they are in the landing zone
    select
        files.account,
        least(min(files.fetched_at), min(first_loads.first_loaded_at)) as first_fetched_at
    from files
    inner join first_loads on files.account = first_loads.account
    group by files.account

),

drawn as (

    -- from the day after the last one with a remaining amount on, a commitment is used up
    select
        contract_commitment_id,
        max(commitment_date) as last_shown_day,
        max(case when remaining > 0 then commitment_date end) as last_day_with_rest
    from days
    group by contract_commitment_id

),

dated as (

    select
        terms.contract_commitment_id,
        terms.account,
        terms.period_start,
        terms.period_end,
        terms.contract_commitment_category,
        terms.endpoint_pattern,
        terms.unit,
        terms.payment,
        as_of.as_of,
        case
            when as_of.as_of is null or as_of.as_of <= terms.first_day then 'Pending'
            -- the period of a superseded commitment ends when the next one begins
            when as_of.as_of >= terms.end_day
                then case when seed.superseded_by is not null then 'Superseded' else 'Expired' end
            when drawn.last_shown_day > coalesce(drawn.last_day_with_rest, {{ first_day() }}) then 'Exhausted'
            else 'Active'
        end as status,
        -- the end of the day on which it was used up
        case
            when drawn.last_day_with_rest is null then {{ utc_add('day', 1, utc_trunc('day', 'terms.drawn_from')) }}
            else {{ utc_add('day', 2, utc_trunc('day', 'drawn.last_day_with_rest')) }}
        end as exhausted_at,
        coalesce({{ try_utc_timestamp('seed.contract_commitment_created') }}, account_loads.first_fetched_at)
            as created_at
    from terms
    inner join seed on terms.contract_commitment_id = seed.contract_commitment_id
    inner join account_loads on terms.account = account_loads.account
    left join as_of on terms.account = as_of.account
    left join drawn on terms.contract_commitment_id = drawn.contract_commitment_id

),

scopes as (

    -- A pattern with an asterisk in the middle has no operator in FOCUS.
    select
        *,
        replace(endpoint_pattern, '*', '') as endpoint_text,
        case
            when endpoint_pattern is null or {{ matches('endpoint_pattern', '[*]+') }} then null
            when {{ matches('endpoint_pattern', '[^*]+') }} then 'In'
            when {{ matches('endpoint_pattern', '[^*]+[*]+') }} then 'StartsWith'
            when {{ matches('endpoint_pattern', '[*]+[^*]+') }} then 'EndsWith'
            when {{ matches('endpoint_pattern', '[*]+[^*]+[*]+') }} then 'Contains'
            else 'complex'
        end as endpoint_operator
    from dated

),

amounts as (

    select
        contract_commitment.*,
        scopes.status,
        scopes.created_at,
        greatest(
            scopes.created_at,
            case scopes.status
                when 'Active' then scopes.period_start
                when 'Exhausted' then scopes.exhausted_at
                when 'Expired' then scopes.period_end
                when 'Superseded' then scopes.period_end
                else scopes.created_at
            end,
            coalesce({{ try_utc_timestamp('seed.contract_commitment_last_updated') }}, scopes.created_at)
        ) as updated_at,
        scopes.endpoint_pattern,
        scopes.endpoint_operator,
        scopes.endpoint_text,
        seed.superseded_by,
        seed.contract_commitment_benefit_category as benefit_category,
        seed.contract_commitment_discount_percentage as discount_percentage,
        seed.contract_commitment_duration_type as duration_type,
        seed.contract_commitment_payment_upfront_percentage as upfront_percentage,
        coalesce(seed.contract_commitment_model, 'Discontinuous') as model,
        coalesce(seed.contract_commitment_fulfillment_interval, 'Full Period') as fulfillment_interval,
        coalesce(
            seed.contract_commitment_offer_category,
            case when contract_commitment.x_Payment = 'prepaid' then 'Public' else 'Negotiated' end
        ) as offer_category,
        coalesce(
            seed.contract_commitment_payment_model,
            case when contract_commitment.x_Payment = 'prepaid' then 'All Upfront' else 'No Upfront' end
        ) as payment_model,
        seed.contract_commitment_payment_interval as payment_interval,
        {{ commitment_duration(
            'contract_commitment.ContractCommitmentPeriodStart', 'contract_commitment.ContractCommitmentPeriodEnd'
        ) }} as period_duration
    from contract_commitment
    inner join scopes on contract_commitment.ContractCommitmentId = scopes.contract_commitment_id
    inner join seed on contract_commitment.ContractCommitmentId = seed.contract_commitment_id

),

commitments as (

    select
        ---------- FOCUS columns
        BillingCurrency,
        case
            when endpoint_operator = 'complex'
                then '{"IsComplexScope":true,"x_EndpointPattern":' || {{ json_text('endpoint_pattern') }} || '}'
            else '{"InclusionOperator":"And","Inclusions":[' || concat_ws(
                ',',
                {{ applicability_rule('BillingAccountId', "'In'", 'x_BillingAccountId') }},
                {{ applicability_rule('ChargeCategory', "'In'", "'Usage'") }},
                case
                    when endpoint_operator is not null
                        then {{ applicability_rule('ResourceId', 'endpoint_operator', 'endpoint_text') }}
                end,
                -- without a pattern, a quantity is one of Model APIs
                case
                    when ContractCommitmentCategory = 'Usage' and endpoint_pattern is null
                        then {{ applicability_rule('x_ProductLine', "'In'", "'model_apis'") }}
                end,
                case
                    when ContractCommitmentCategory = 'Usage'
                        then {{ applicability_rule('PricingUnit', "'In'", 'ContractCommitmentUnit') }}
                end
            ) || ']}'
        end as ContractCommitmentApplicability,
        coalesce(
            benefit_category,
            case
                when x_Payment = 'prepaid' then 'Entitlement'
                when discount_percentage is not null then 'Discount'
                else 'Other'
            end
        ) as ContractCommitmentBenefitCategory,
        ContractCommitmentCategory,
        ContractCommitmentCost,
        created_at as ContractCommitmentCreated,
        ContractCommitmentDescription,
        {{ quantity('discount_percentage') }} as ContractCommitmentDiscountPercentage,
        coalesce(duration_type, period_duration) as ContractCommitmentDurationType,
        fulfillment_interval as ContractCommitmentFulfillmentInterval,
        ContractCommitmentId,
        updated_at as ContractCommitmentLastUpdated,
        status as ContractCommitmentLifecycleStatus,
        model as ContractCommitmentModel,
        offer_category as ContractCommitmentOfferCategory,
        coalesce(payment_interval, case when payment_model = 'All Upfront' then 'One-Time' else 'Monthly' end)
            as ContractCommitmentPaymentInterval,
        payment_model as ContractCommitmentPaymentModel,
        {{ quantity(
            "coalesce(upfront_percentage, case when payment_model = 'All Upfront' then 1 else 0 end)"
        ) }} as ContractCommitmentPaymentUpfrontPercentage,
        ContractCommitmentPeriodEnd,
        ContractCommitmentPeriodStart,
        ContractCommitmentQuantity,
        ContractCommitmentType,
        case when ContractCommitmentQuantity is not null then ContractCommitmentUnit end as ContractCommitmentUnit,
        ContractId,
        ContractPeriodEnd,
        ContractPeriodStart,
        {{ sql_text(var('fal_invoice_issuer_name')) }} as InvoiceIssuerName,
        BillingCurrency as PricingCurrency,
        ContractCommitmentCost as PricingCurrencyContractCommitmentCost,
        {{ sql_text(var('fal_service_provider_name')) }} as ServiceProviderName,

        ---------- fal_focus
        x_Account,
        x_BillingAccountId,
        x_BillingAccountName,
        x_Payment,
        superseded_by as x_SupersededBy
    from amounts

)

select * from commitments
