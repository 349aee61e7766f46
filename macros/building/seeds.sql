{#
    Adds the optional columns of a seed (meta.optional_columns) that its file lacks, as nulls, so that an older file
    keeps working.
#}
{% macro add_optional_columns() %}
    {%- set optional = config.get('meta', {}).get('optional_columns') if execute %}
    {%- if optional %}
        {%- set loaded = adapter.get_columns_in_relation(this) | map(attribute='name') | list %}
        {%- set missing = optional | reject('in', loaded) | list %}
        {%- if missing %}
            {{- adapter.dispatch('add_null_columns')(this, missing, config.get('column_types')) }}
        {%- endif %}
    {%- endif %}
{% endmacro %}

{% macro duckdb__add_null_columns(relation, columns, types) %}
    {%- for column in columns %}
    alter table {{ relation }} add column {{ column }} {{ types[column] }};
    {%- endfor %}
{% endmacro %}

{% macro spark__add_null_columns(relation, columns, types) %}
    alter table {{ relation }} add columns (
        {%- for column in columns %}{{ column }} {{ types[column] }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{% endmacro %}
