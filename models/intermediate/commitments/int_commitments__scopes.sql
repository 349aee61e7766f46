with

from_events as (

    select * from {{ ref('int_charges__from_billing_events') }}

),

from_serverless_usage as (

    select * from {{ ref('int_charges__from_serverless_usage') }}

),

from_reports as (

    select * from {{ ref('int_charges__from_focus_reports') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

used as (

    {% for feed in ['from_events', 'from_serverless_usage', 'from_reports'] -%}
    select
        x_Account as account,
        coalesce(ResourceId, SkuId, '') as endpoint_id,
        coalesce(PricingUnit, '') as pricing_unit
    from {{ feed }}
    where ChargeCategory = 'Usage'
    {%- if not loop.last %}
    union
    {% endif %}
    {%- endfor %}

),

matched as (

    select
        used.account,
        used.endpoint_id,
        used.pricing_unit,
        terms.contract_commitment_id
    from used
    inner join terms
        on
            used.account = terms.account
            and (terms.endpoint_pattern is null or {{ matches_glob('used.endpoint_id', 'terms.endpoint_pattern') }})
            and (terms.contract_commitment_category = 'Spend' or used.pricing_unit = terms.unit)

)

select * from matched
