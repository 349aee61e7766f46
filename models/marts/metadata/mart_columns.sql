{#- columns of the marts in the warehouse, which can differ from their .yml files -#}
{%- set rows = [] -%}
{%- for focus_version, datasets in focus_marts().items() %}
{%- for dataset, model in datasets.items() %}
{%- set mart = ref(model) %}
{%- for column in (adapter.get_columns_in_relation(mart) if execute and load_relation(mart) else []) %}
{%- set type = column.dtype | lower %}
{%- set precision = modules.re.match('decimal[(]([0-9]+), *([0-9]+)[)]', type) or ['null'] * 3 %}
{%- set names = [sql_text(focus_version), sql_text(dataset), sql_text(column.name)] %}
{%- do rows.append(names + [loop.index, sql_text(type), precision[1], precision[2]]) %}
{%- endfor %}
{%- endfor %}
{%- endfor %}

with

mart_columns as (

    {% if rows -%}
    select
        listed.focus_version,
        listed.dataset,
        listed.column_id,
        listed.column_position,
        listed.data_type,
        cast(listed.number_precision as integer) as number_precision,
        cast(listed.number_scale as integer) as number_scale
    from (
        values
        {%- for row in rows %}
        ({{ row | join(', ') }}){{ ',' if not loop.last }}
        {%- endfor %}
    ) as listed (focus_version, dataset, column_id, column_position, data_type, number_precision, number_scale)
    union all
    {%- endif %}
    {{ empty_relation({
        'focus_version': dbt.type_string(),
        'dataset': dbt.type_string(),
        'column_id': dbt.type_string(),
        'column_position': 'integer',
        'data_type': dbt.type_string(),
        'number_precision': 'integer',
        'number_scale': 'integer',
    }) }}

),

described as (

    select
        focus_version,
        dataset,
        column_id,
        column_position,
        data_type,
        number_precision,
        number_scale,
        case
            when data_type in ('varchar', 'string', 'text') then 'text'
            when data_type like 'decimal%' then 'decimal'
            when data_type like 'timestamp%' then 'time'
            else 'other'
        end as data_kind
    from mart_columns

)

select * from described
