{#- columns of the marts in the warehouse, which can differ from their .yml files -#}
{%- set marts = {
    '1.3': {'CostAndUsage': ref('cost_and_usage'), 'ContractCommitment': ref('contract_commitment')},
    '1.4': {
        'CostAndUsage': ref('focus_1_4__cost_and_usage'),
        'ContractCommitment': ref('focus_1_4__contract_commitment'),
        'BillingPeriod': ref('focus_1_4__billing_period'),
        'InvoiceDetail': ref('focus_1_4__invoice_detail'),
    },
} -%}

with

mart_columns as (

    {%- for focus_version, datasets in marts.items() %}
    {%- for dataset, mart in datasets.items() %}
    {%- for column in (adapter.get_columns_in_relation(mart) if execute and load_relation(mart) else []) %}
    {%- set precision = modules.re.match('decimal[(]([0-9]+), *([0-9]+)[)]', column.dtype | lower) %}
    select
        '{{ focus_version }}' as focus_version,
        '{{ dataset }}' as dataset,
        '{{ column.name }}' as column_id,
        {{ loop.index }} as column_position,
        '{{ column.dtype | lower }}' as data_type,
        {{ precision[1] if precision else 'null' }} as number_precision,
        {{ precision[2] if precision else 'null' }} as number_scale
    union all
    {%- endfor %}
    {%- endfor %}
    {%- endfor %}
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
