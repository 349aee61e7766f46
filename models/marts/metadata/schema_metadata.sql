{#- column descriptions from the .yml files of the marts, as in dbt docs -#}
{%- set rows = [] -%}
{%- for focus_version, datasets in focus_marts().items() %}
{%- for dataset, mart in datasets.items() %}
{%- for column in graph.nodes['model.fal_focus.' ~ mart].columns.values() if execute %}
{%- set names = [sql_text(focus_version), sql_text(dataset), sql_text(column.name)] %}
{%- do rows.append(names + [sql_text(column.description | trim | replace('\n', ' '))]) %}
{%- endfor %}
{%- endfor %}
{%- endfor %}

with

mart_columns as (

    select * from {{ ref('mart_columns') }}

),

focus_columns as (

    select * from {{ ref('focus_columns') }}

),

descriptions as (

    {% if rows -%}
    select
        listed.focus_version,
        listed.dataset,
        listed.column_id,
        listed.description
    from (
        values
        {%- for row in rows %}
        ({{ row | join(', ') }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as listed (focus_version, dataset, column_id, description)
    union all
    {%- endif %}
    {{ empty_relation({
        'focus_version': dbt.type_string(),
        'dataset': dbt.type_string(),
        'column_id': dbt.type_string(),
        'description': dbt.type_string(),
    }) }}

),

schema_metadata as (

    select
        mart_columns.dataset,
        mart_columns.column_position,
        mart_columns.column_id,
        focus_columns.display_name,
        focus_columns.column_type,
        coalesce(focus_columns.feature_level, 'Custom') as feature_level,
        coalesce(focus_columns.allows_nulls, true) as allows_nulls,
        coalesce(
            focus_columns.data_type,
            case mart_columns.data_kind
                when 'text' then 'String'
                when 'time' then 'Date/Time'
                else 'Decimal'
            end
        ) as data_type,
        focus_columns.value_format,
        focus_columns.number_range,
        mart_columns.data_type as warehouse_type,
        mart_columns.number_precision,
        mart_columns.number_scale,
        descriptions.description,
        focus_columns.introduced as introduced_in,
        focus_columns.previous_name,
        focus_columns.deprecated_in,
        mart_columns.focus_version,
        focus_columns.removed_in,
        focus_columns.successor
    from mart_columns
    left join focus_columns
        on
            mart_columns.focus_version = focus_columns.focus_version
            and mart_columns.dataset = focus_columns.dataset
            and mart_columns.column_id = focus_columns.column_id
    left join descriptions
        on
            mart_columns.focus_version = descriptions.focus_version
            and mart_columns.dataset = descriptions.dataset
            and mart_columns.column_id = descriptions.column_id

)

select * from schema_metadata
