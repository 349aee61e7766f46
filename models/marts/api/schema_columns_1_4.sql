{{ config(materialized='view') }}

with

schema_metadata as (

    select * from {{ ref('schema_metadata') }}
    where focus_version = '1.4'

),

typed as (

    select
        *,
        case data_type
            when 'Decimal' then 'Number'
            when 'Date/Time' then 'DateTime'
            else data_type
        end as api_type
    from schema_metadata

),

schema_columns_1_4 as (

    select
        dataset,
        column_position,
        column_id as columnName,
        api_type as dataType,
        case feature_level
            when 'Mandatory' then 'Must'
            when 'Recommended' then 'Recommended'
            else 'Optional'
        end as requirement,
        allows_nulls as nullable,
        description,
        case when api_type = 'Number' then 'Metric' else 'Dimension' end as category,
        case when warehouse_type = 'bigint' then 19 else number_precision end as numericPrecision,
        case when warehouse_type = 'bigint' then 0 else number_scale end as numericScale
    from typed

)

select * from schema_columns_1_4
