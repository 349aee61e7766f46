with

accounts as (

    select * from {{ ref('int_accounts__named') }}

),

seed as (

    select * from {{ ref('fal_endpoints') }}

),

models as (

    select * from {{ ref('stg_fal__models') }}

),

prices as (

    select * from {{ ref('stg_fal__prices') }}

),

models_with_last as (

    select
        *,
        row_number() over one_endpoint as snapshot_number,
        lag(display_name) over one_endpoint as last_display_name,
        lag(modality) over one_endpoint as last_modality,
        lag(model_status) over one_endpoint as last_model_status
    from models
    window one_endpoint as (
        partition by account, endpoint_id
        order by snapshot_date asc
    )

),

changed_models as (

    -- Snapshots that repeat the one before add no row. The first snapshot also describes the days before it.
    select
        *,
        case when snapshot_number = 1 then {{ first_day() }} else snapshot_date end as valid_from
    from models_with_last
    where
        snapshot_number = 1
        or display_name is distinct from last_display_name
        or modality is distinct from last_modality
        or model_status is distinct from last_model_status

),

model_periods as (

    select
        *,
        lead(valid_from, 1, {{ end_of_days() }}) over (
            partition by account, endpoint_id
            order by valid_from asc
        ) as valid_to
    from changed_models

),

units as (

    select
        account,
        endpoint_id,
        snapshot_date,
        {{ focus_unit('unit') }} as unit
    from prices

),

units_with_last as (

    select
        *,
        row_number() over one_endpoint as snapshot_number,
        lag(unit) over one_endpoint as last_unit
    from units
    window one_endpoint as (
        partition by account, endpoint_id
        order by snapshot_date asc
    )

),

changed_units as (

    select
        *,
        case when snapshot_number = 1 then {{ first_day() }} else snapshot_date end as valid_from
    from units_with_last
    where snapshot_number = 1 or unit is distinct from last_unit

),

unit_periods as (

    select
        *,
        lead(valid_from, 1, {{ end_of_days() }}) over (
            partition by account, endpoint_id
            order by valid_from asc
        ) as valid_to
    from changed_units

),

starts as (

    select
        account,
        endpoint_id,
        valid_from
    from model_periods
    union
    select
        account,
        endpoint_id,
        valid_from
    from unit_periods
    union
    select
        accounts.account,
        seed.endpoint_id,
        {{ first_day() }} as valid_from
    from accounts
    cross join seed

),

periods as (

    select
        *,
        lead(valid_from, 1, {{ end_of_days() }}) over (
            partition by account, endpoint_id
            order by valid_from asc
        ) as valid_to
    from starts

),

described as (

    select
        ---------- ids
        periods.account,
        periods.endpoint_id,

        ---------- UTC days, [from, to)
        periods.valid_from,
        periods.valid_to,

        ---------- the seed is an override of fal's catalogue
        coalesce(seed.display_name, model_periods.display_name) as display_name,
        seed.model_developer,
        coalesce(seed.unit, unit_periods.unit) as unit,
        coalesce(seed.modality, model_periods.modality) as modality,
        model_periods.model_status,
        seed.service_name,
        seed.service_category,
        seed.service_subcategory

    from periods
    left join seed on periods.endpoint_id = seed.endpoint_id
    left join model_periods
        on
            periods.account = model_periods.account
            and periods.endpoint_id = model_periods.endpoint_id
            and periods.valid_from >= model_periods.valid_from
            and periods.valid_from < model_periods.valid_to
    left join unit_periods
        on
            periods.account = unit_periods.account
            and periods.endpoint_id = unit_periods.endpoint_id
            and periods.valid_from >= unit_periods.valid_from
            and periods.valid_from < unit_periods.valid_to

)

select * from described
