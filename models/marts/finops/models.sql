with

usage as (

    select * from {{ ref('int_billing_event_usage__priced') }}

),

catalogue as (

    select * from {{ ref('stg_fal__models') }}

),

prices as (

    select * from {{ ref('stg_fal__prices') }}

),

descriptions as (

    select * from {{ ref('int_endpoints__described') }}

),

used as (

    select
        account,
        endpoint_id,
        min(charge_date) as first_used_on,
        max(charge_date) as last_used_on
    from usage
    group by account, endpoint_id

),

endpoints as (

    -- int_endpoints__described also has the endpoints of the seed, which an account may never use
    select
        account,
        endpoint_id
    from used
    union
    select
        account,
        endpoint_id
    from catalogue
    union
    select
        account,
        endpoint_id
    from prices

),

current_descriptions as (

    select * from descriptions
    where valid_to = {{ end_of_days() }}

),

numbered_prices as (

    select
        *,
        row_number() over (partition by account, endpoint_id order by snapshot_date desc) as snapshots_ago
    from prices

),

latest_prices as (

    select * from numbered_prices
    where snapshots_ago = 1

),

models as (

    select
        ---------- ids
        endpoints.account,
        endpoints.endpoint_id,

        ---------- what fal's catalogue and seeds/fal_endpoints.csv state
        current_descriptions.display_name,
        current_descriptions.model_developer,
        current_descriptions.modality,
        current_descriptions.model_status,
        current_descriptions.unit,

        ---------- price now; a unit of the seed may differ from fal's
        latest_prices.unit_price_usd as list_price_usd,
        latest_prices.unit as list_price_unit,
        latest_prices.snapshot_date as list_price_on,

        ---------- UTC days with events
        used.first_used_on,
        used.last_used_on

    from endpoints
    left join current_descriptions
        on
            endpoints.account = current_descriptions.account
            and endpoints.endpoint_id = current_descriptions.endpoint_id
    left join latest_prices
        on endpoints.account = latest_prices.account and endpoints.endpoint_id = latest_prices.endpoint_id
    left join used
        on endpoints.account = used.account and endpoints.endpoint_id = used.endpoint_id

)

select * from models
