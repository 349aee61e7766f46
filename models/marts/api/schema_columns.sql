{#- a table: Spark cannot store a view with this much text -#}
{{ config(materialized='table') }}

{#- columns and descriptions from the .yml files of the API's records, as in dbt docs -#}
{%- set views = {'CostAndUsage': 'cost_and_usage_records', 'ContractCommitment': 'contract_commitment_records'} -%}

{%- set rows = [] -%}
{%- for dataset, view in views.items() %}
{%- set columns = graph.nodes['model.fal_focus.' ~ view].columns.values() if execute else [] %}
{%- for column in columns if column.name != 'record_number' %}
{%- set texts = [dataset, column.name, column.config.meta.type or column.data_type | lower] %}
{%- set description = column.description | trim | replace('\n', ' ') %}
{%- set is_required = 'true' if column.config.meta.required else 'false' %}
{%- do rows.append([
    loop.index, sql_texts(texts), sql_text(description), is_required, column.config.meta.nullable | default('null')
]) %}
{%- endfor %}
{%- endfor %}

with

schema_metadata as (

    select * from {{ ref('schema_metadata') }}
    where focus_version = '1.3'

),

view_columns as (

    {% if rows -%}
    -- one list of values: with a union, Spark writes a file for each row
    select
        listed.dataset,
        listed.column_position,
        listed.column_id,
        listed.data_type,
        listed.description,
        listed.is_required,
        cast(listed.is_nullable as boolean) as is_nullable
    from (
        values
        {%- for row in rows %}
        ({{ row | join(', ') }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as listed (column_position, dataset, column_id, data_type, description, is_required, is_nullable)
    {%- else -%}
    {{ empty_relation({
        'dataset': dbt.type_string(),
        'column_position': 'integer',
        'column_id': dbt.type_string(),
        'data_type': dbt.type_string(),
        'description': dbt.type_string(),
        'is_required': 'boolean',
        'is_nullable': 'boolean',
    }) }}
    {%- endif %}

),

typed as (

    select
        view_columns.*,
        schema_metadata.feature_level,
        case
            when view_columns.data_type = 'JSON' then 'JSON'
            when view_columns.data_type like 'timestamp%' then 'DateTime'
            when view_columns.data_type like 'decimal%' or view_columns.data_type = 'bigint' then 'Number'
            else 'String'
        end as api_type,
        -- meta.nullable in the .yml takes precedence over what FOCUS allows
        not view_columns.is_required
        and coalesce(view_columns.is_nullable, schema_metadata.allows_nulls, true) as allows_nulls
    from view_columns
    left join schema_metadata
        on
            view_columns.dataset = schema_metadata.dataset
            and view_columns.column_id = schema_metadata.column_id

),

schema_columns as (

    select
        dataset,
        column_position,
        column_id as columnName,
        api_type as dataType,
        case
            when is_required or feature_level = 'Mandatory' then 'Must'
            when feature_level = 'Recommended' then 'Recommended'
            else 'Optional'
        end as requirement,
        allows_nulls as nullable,
        description,
        case when api_type = 'Number' then 'Metric' else 'Dimension' end as category
    from typed

)

select * from schema_columns
