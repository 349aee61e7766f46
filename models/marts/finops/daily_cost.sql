{{ config(materialized='view', meta={'published_as': 'table', 'published_by': 'charge_month'}) }}

select
    ---------- ids
    account,
    billing_account_id,
    sub_account_id,
    sub_account_name,

    ---------- when (UTC)
    charge_date,
    charge_month,

    ---------- what
    charge_category,
    charge_class,
    product_line,
    model_id,
    model_name,
    modality,
    model_developer,

    ---------- who
    key_id,
    key_name,
    login,
    tags,
    team,
    cost_center,
    project,
    environment,

    ---------- at what price (USD)
    unit,
    list_unit_price,
    contracted_unit_price,

    ---------- how much
    request_count,
    quantity,
    list_cost,
    contracted_cost,
    effective_cost,
    billed_cost,

    ---------- where from
    charge_source,
    charge_status,
    is_complete,
    cost_day_version

from {{ ref('int_costs__by_owner') }}
