-- Invalid terms of FOCUS 1.4 in seeds/fal_contract_commitments.csv: which row, the reason, and how to correct it.
{%- set choices = {
    'contract_commitment_benefit_category': ['Discount', 'Entitlement', 'Availability', 'Other'],
    'contract_commitment_fulfillment_interval': [
        'Hourly', 'Daily', 'Weekly', 'Monthly', 'Quarterly', 'Semi-Annual', 'Annual', 'Full Period', 'Transactional', 'Custom'
    ],
    'contract_commitment_model': ['Continuous', 'Discontinuous'],
    'contract_commitment_offer_category': ['Negotiated', 'Public'],
    'contract_commitment_payment_interval': ['One-Time', 'Monthly', 'Quarterly', 'Semi-Annual', 'Annual', 'Custom'],
    'contract_commitment_payment_model': ['No Upfront', 'Partial Upfront', 'All Upfront'],
} -%}
{%- set share = 'contract_commitment_payment_upfront_percentage' -%}
{%- set duration = '[1-9][0-9]* (Minute|Hour|Day|Week|Month|Quarter|Year)s?' %}

with

commitments as (

    select
        *,
        {{ try_utc_timestamp('contract_commitment_period_end') }} as period_end,
        coalesce(contract_commitment_model, 'Discontinuous') as model,
        coalesce(contract_commitment_fulfillment_interval, 'Full Period') as fulfillment_interval,
        coalesce(
            contract_commitment_payment_model, case when payment = 'prepaid' then 'All Upfront' else 'No Upfront' end
        ) as payment_model
    from {{ ref('fal_contract_commitments') }}

),

successors as (

    select distinct
        contract_commitment_id,
        account,
        {{ try_utc_timestamp('contract_commitment_period_start') }} as period_start
    from {{ ref('fal_contract_commitments') }}

),

judged as (

    select
        commitments.contract_commitment_id,
        commitments.account,
        case
            {%- for column, values in choices.items() %}
            when commitments.{{ column }} not in ({{ sql_texts(values) }})
                then
                    'its {{ column }} is ' || {{ printable('commitments.' ~ column) }}
                    || ': choose {{ values[:-1] | join(', ') }} or {{ values[-1] }}'
            {%- endfor %}
            when not {{ matches('commitments.contract_commitment_duration_type', duration) }}
                then 'its contract_commitment_duration_type is no number and unit: write it like 1 Year'
            {%- for column in ['contract_commitment_created', 'contract_commitment_last_updated'] %}
            when
                commitments.{{ column }} is not null
                and {{ try_utc_timestamp('commitments.' ~ column) }} is null
                then 'its {{ column }} is not a date: write it as YYYY-MM-DD'
            {%- endfor %}
            when
                commitments.contract_commitment_discount_percentage < 0
                or commitments.contract_commitment_discount_percentage > 1
                then 'its contract_commitment_discount_percentage is not from 0 to 1: write 20 % as 0.2'
            when
                commitments.contract_commitment_benefit_category = 'Discount'
                and commitments.contract_commitment_discount_percentage is null
                then 'its benefit is a discount: fill in contract_commitment_discount_percentage'
            when
                commitments.contract_commitment_benefit_category = 'Availability'
                and commitments.contract_commitment_discount_percentage is not null
                then 'its benefit is availability: leave contract_commitment_discount_percentage empty'
            when commitments.model = 'Continuous' and commitments.fulfillment_interval = 'Full Period'
                then
                    'its model is Continuous: choose a contract_commitment_fulfillment_interval other than Full Period'
            when
                commitments.payment_model = 'All Upfront'
                and coalesce(commitments.contract_commitment_payment_interval, 'One-Time') <> 'One-Time'
                then 'all of it is paid upfront: make contract_commitment_payment_interval One-Time'
            when commitments.payment = 'prepaid' and commitments.payment_model <> 'All Upfront'
                then 'it is prepaid: make contract_commitment_payment_model All Upfront, or payment in_arrears'
            when commitments.payment_model = 'All Upfront' and commitments.{{ share }} <> 1
                then 'all of it is paid upfront: make {{ share }} 1 or empty'
            when commitments.payment_model = 'No Upfront' and commitments.{{ share }} <> 0
                then 'nothing of it is paid upfront: make {{ share }} 0 or empty'
            when
                commitments.payment_model = 'Partial Upfront'
                and (
                    coalesce(commitments.{{ share }}, 0) <= 0
                    or commitments.{{ share }} >= 1
                )
                then 'a part of it is paid upfront: fill in {{ share }}, above 0 and below 1'
            when commitments.superseded_by = commitments.contract_commitment_id
                then 'it is superseded by itself: enter the contract_commitment_id of another commitment'
            when commitments.superseded_by is not null and successors.contract_commitment_id is null
                then 'its superseded_by is no contract_commitment_id of its account: correct it'
            when successors.period_start < commitments.period_end
                then
                    'it ends after the commitment that supersedes it begins: end it on '
                    || substr({{ iso_utc('successors.period_start') }}, 1, 10)
        end as finding
    from commitments
    left join successors
        on
            commitments.superseded_by = successors.contract_commitment_id
            and commitments.account = successors.account

)

select * from judged
where finding is not null
