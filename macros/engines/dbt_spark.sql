{# Overrides of macros of dbt-spark. #}

{#
    Inserts the rows of a seed as literals. A session of dbt-spark turns an empty cell into the text None, and does
    not escape quotes.
#}
{% macro spark__load_csv_rows(model, agate_table) %}
    {% set types = model['config']['column_types'] %}
    {% set loaded = [] %}
    {% for rows in agate_table.rows | batch(1000) %}
        {% set query %}
            insert into {{ this }}
            select
                {%- for name in agate_table.column_names %}
                cast({{ adapter.quote(name) }} as {{ types[name] }}){{ ',' if not loop.last }}
                {%- endfor %}
            from values
            {%- for row in rows %}
            (
                {%- for cell in row -%}
                {{ 'null' if cell is none else sql_text(cell) }}{{ ', ' if not loop.last }}
                {%- endfor -%}
            ){{ ',' if not loop.last }}
            {%- endfor %}
            as seed (
                {%- for name in agate_table.column_names -%}
                {{ adapter.quote(name) }}{{ ', ' if not loop.last }}
                {%- endfor -%}
            )
        {% endset %}
        {% do adapter.add_query(query, abridge_sql_log=True) %}
        {% do loaded.append(query) %}
    {% endfor %}
    {{ return(loaded | first | default('-- no rows')) }}
{% endmacro %}

{# Escapes backslashes in the texts of unit tests, which Spark reads as escapes. #}
{% macro spark__escape_single_quotes(expression) -%}
    {{ expression | replace("\\", "\\\\") | replace("'", "\\'") }}
{%- endmacro %}

{# A table of parts (see parts.sql) is partitioned by the first two columns of its key. #}
{% macro spark__partition_cols(label, required=false) -%}
    {%- if config.get('incremental_strategy') == 'parts' -%}
        {{ label }} ({{ config.get('unique_key')[:2] | join(', ') }})
    {%- endif -%}
{%- endmacro %}

{# dbt-spark accepts only its own strategies. #}
{% macro dbt_spark_validate_get_incremental_strategy(strategy, file_format) %}{{ return(strategy) }}{% endmacro %}

{% macro dbt_spark_get_incremental_sql(strategy, source, target, existing, unique_key, incremental_predicates) %}
    {% if strategy == 'append' %}
        {% set columns = adapter.get_columns_in_relation(target) | map(attribute='quoted') | join(', ') %}
        {{ return('insert into ' ~ target ~ ' (' ~ columns ~ ') select ' ~ columns ~ ' from ' ~ source) }}
    {% endif %}
    {{ return(get_incremental_parts_sql({
        'target_relation': target,
        'temp_relation': source,
        'dest_columns': adapter.get_columns_in_relation(target),
    })) }}
{% endmacro %}
