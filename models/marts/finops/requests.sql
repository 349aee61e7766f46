{{ config(materialized='view') }}

with

events as (

    select * from {{ ref('int_billing_events__deduplicated') }}

),

tags as (

    select * from {{ ref('int_tags__callers') }}

),

owners as (

    select * from {{ ref('int_tags__owners') }}

),

aliases as (

    select * from {{ ref('int_tags__key_aliases') }}

),

endpoints as (

    select * from {{ ref('int_endpoints__described') }}

),

sub_accounts as (

    select * from {{ ref('int_sub_accounts__named') }}

),

day_sources as (

    select * from {{ ref('int_charge_days__sources') }}
    where product_line = 'model_apis'

),

metered as (

    select
        *,
        unit_price_usd is not null and output_units is not null as is_metered
    from events

),

priced as (

    select
        account,
        request_id,
        endpoint_id,
        auth_method,
        api_key_id,
        login_username,
        team_username,
        billed_at,
        charge_date,
        is_metered,
        {{ event_prices() }},
        cost_usd
    from metered

),

requests as (

    select
        ---------- ids
        priced.account,
        coalesce(sub_accounts.sub_account_id, priced.team_username) as sub_account_id,
        coalesce(sub_accounts.sub_account_name, priced.team_username) as sub_account_name,
        priced.request_id,

        ---------- when (UTC)
        priced.billed_at,
        priced.charge_date,

        ---------- what
        priced.endpoint_id as model_id,
        coalesce(endpoints.display_name, priced.endpoint_id) as model_name,

        ---------- who
        priced.api_key_id as key_id,
        coalesce(aliases.key_alias, priced.auth_method) as key_name,
        priced.login_username as login,
        tags.tags,
        owners.team,
        owners.cost_center,
        owners.project,
        owners.environment,

        ---------- how much, at what price (USD)
        case when priced.is_metered then coalesce(endpoints.unit, 'Units') else 'USD' end as unit,
        {{ quantity('priced.pricing_quantity') }} as quantity,
        {{ money('priced.list_unit_price') }} as list_unit_price,
        {{ quantity('priced.percent_discount') }} as discount_percent,
        {{ money('priced.list_unit_price * priced.pricing_quantity') }} as list_cost,
        priced.cost_usd as effective_cost,

        ---------- whether the bill has the cost from this event
        day_sources.charge_source,
        day_sources.charge_source = 'billing_events' as is_in_bill

    from priced
    left join tags
        on
            priced.account = tags.account
            and priced.auth_method is not distinct from tags.auth_method
            and priced.api_key_id is not distinct from tags.api_key_id
            and priced.login_username is not distinct from tags.login_username
            and priced.team_username is not distinct from tags.team_username
            and priced.charge_date >= tags.valid_from
            and priced.charge_date < tags.valid_to
    left join owners on tags.tags = owners.tags
    left join aliases
        on
            priced.account = aliases.account
            and priced.api_key_id = aliases.api_key_id
            and priced.charge_date >= aliases.valid_from
            and priced.charge_date < aliases.valid_to
    left join endpoints
        on
            priced.account = endpoints.account
            and priced.endpoint_id = endpoints.endpoint_id
            and priced.charge_date >= endpoints.valid_from
            and priced.charge_date < endpoints.valid_to
    left join sub_accounts
        on priced.account = sub_accounts.account and priced.team_username = sub_accounts.team_username
    left join day_sources
        on priced.account = day_sources.account and priced.charge_date = day_sources.charge_date

)

select * from requests
