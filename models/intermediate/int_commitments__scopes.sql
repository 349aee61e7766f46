with

charges as (

    select * from {{ ref('int_charges__by_precedence') }}

),

terms as (

    select * from {{ ref('int_commitments__terms') }}

),

used as (

    -- what was used, as far as scopes can tell it apart
    select distinct
        x_Account as account,
        coalesce(ResourceId, SkuId, '') as endpoint_id,
        coalesce(PricingUnit, '') as pricing_unit
    from charges
    where ChargeCategory = 'Usage'

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

),

scopes as (

    -- usage that the same commitments cover, in their periods, is one scope
    select
        account,
        endpoint_id,
        pricing_unit,
        {{ text_list_agg(json_text('contract_commitment_id')) }} as scope
    from matched
    group by account, endpoint_id, pricing_unit

),

scoped as (

    select
        matched.account,
        matched.endpoint_id,
        matched.pricing_unit,
        matched.contract_commitment_id,
        scopes.scope
    from matched
    inner join scopes
        on
            matched.account = scopes.account
            and matched.endpoint_id = scopes.endpoint_id
            and matched.pricing_unit = scopes.pricing_unit

)

select * from scoped
