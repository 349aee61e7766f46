{#- columns of the marts in the warehouse, which can differ from their .yml files -#}
{%- set marts = {'CostAndUsage': ref('cost_and_usage'), 'ContractCommitment': ref('contract_commitment')} -%}

with

mart_columns as (

    {%- for dataset, mart in marts.items() %}
    {%- set outer = loop %}
    {%- for column in (adapter.get_columns_in_relation(mart) if execute and load_relation(mart) else []) %}
    {%- set precision = modules.re.match('decimal[(]([0-9]+), *([0-9]+)[)]', column.dtype | lower) %}
    select
        '{{ dataset }}' as dataset,
        '{{ column.name }}' as column_id,
        {{ loop.index }} as column_position,
        '{{ column.dtype | lower }}' as data_type,
        {{ precision[1] if precision else 'null' }} as number_precision,
        {{ precision[2] if precision else 'null' }} as number_scale
    union all
    {%- endfor %}
    {%- endfor %}
    {{ empty_relation({
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
