{#
    Incremental models are built in parts. A part is the rows that agree in the model's unique_key; the relation named in
    meta.parts_of holds the key of every part there should be. A build computes those it has not, and removes those that
    should not be there any more: one strategy, `parts`, for what is landed again, late, gone or became empty. A model
    compares what it holds with what is above it, so a build that was killed is caught up by the next.
#}

{#
    dbt's own, which asks for --full-refresh; and a table of parts whose columns are not those of its .yml, by name and by
    data_type where the .yml has one, is rebuilt.
#}
{% macro should_full_refresh() %}
    {% set is_asked_for = flags.FULL_REFRESH if config.get('full_refresh') is none else config.get('full_refresh') %}
    {% if not is_asked_for and execute and config.get('incremental_strategy') == 'parts' and load_relation(this) %}
        {% set columns = adapter.get_columns_in_relation(this) %}
        {% if columns | map(attribute='name') | sort != model.columns.keys() | sort %}{{ return(true) }}{% endif %}
        {% for column in columns %}
            {% if (model.columns[column.name].data_type or column.dtype) | lower != column.dtype | lower %}{{ return(true) }}{% endif %}
        {% endfor %}
    {% endif %}
    {{ return(is_asked_for) }}
{% endmacro %}

{# Keys of the parts that `wanted` has and this model has not; none when all are to be built: a list of rows. #}
{% macro parts_to_build(wanted) %}
    {% if not execute or not is_incremental() %}{{ return(none) }}{% endif %}
    {% set key = config.get('unique_key') | join(', ') %}
    {{ return(run_query(
        'select ' ~ key ~ ' from ' ~ wanted ~ ' except ' ~ parts_of(this) ~ ' order by ' ~ key
    ).rows | list) }}
{% endmacro %}

{# a query for the keys of the parts that a table of parts has. meta.in_each_part: what only a few rows of a part are, for a scan of those #}
{% macro parts_of(relation) -%}
    select distinct {{ config.get('unique_key') | join(', ') }} from {{ relation }} where {{ config.get('meta').get('in_each_part', 'true') }}
{%- endmacro %}

{#
    Whether a row is of one of these parts: a predicate. columns: the row's expressions for the first columns of the key, in its order. parts: rows that have
    them, or none for all. Plain values, so that an engine reads only the row groups or files that hold them, and ranges,
    which DuckDB hands on to where a view reads a table, as it does not a list of values.
#}
{% macro is_in_parts(parts, columns) -%}
    {%- if parts is none -%} true
    {%- elif not parts -%} false
    {%- else -%}
        {%- for column in columns %}
        {%- set values = parts | map(attribute=loop.index0) | unique(case_sensitive=true) | sort(case_sensitive=true) %}
        {{ column }} between {{ sql_value(values[0]) }} and {{ sql_value(values[-1]) }} and
        {{ column }} in ({% for value in values %}{{ sql_value(value) }}{{ ', ' if not loop.last }}{% endfor %}) and
        {%- endfor %}
        ({{ columns | join(', ') }}) in (
            {%- for part in parts %}
            ({% for column in columns %}{{ sql_value(part[loop.index0]) }}{{ ', ' if not loop.last }}{% endfor %}){{ ',' if not loop.last }}
            {%- endfor %}
        )
    {%- endif -%}
{%- endmacro %}

{# the strategy: temp_relation holds the parts to build, as the model selected them #}
{% macro get_incremental_parts_sql(arguments) %}
    {% set target = arguments['target_relation'] %}
    {% set key = config.get('unique_key') %}
    {% set columns = key | join(', ') %}
    {% set wanted = ref(config.get('meta')['parts_of']) %}
    {% set gone = run_query(parts_of(target) ~ ' except select ' ~ columns ~ ' from ' ~ wanted).rows | list %}
    {{ return(adapter.dispatch('replace_parts')(
        target, arguments['temp_relation'], gone, key, arguments['dest_columns'] | map(attribute='quoted') | join(', ')
    )) }}
{% endmacro %}

{# Remove the parts that are gone from target and add all rows of new_parts, at once: nobody sees one without the other. #}
{% macro duckdb__replace_parts(target, new_parts, gone, key, columns) %}
    {% if gone %}
    delete from {{ target }}
    where {{ is_in_parts(gone, key) }};
    {% endif %}
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ new_parts }}
{% endmacro %}

{#
    On Spark a table of parts is kept in a folder for each account and day, the first two columns of its key: at any time one
    part has the rows of a day. Folders of parts that are gone are dropped, then those of new parts are written whole, as
    often as it takes: what a killed build left half done is made anew by the next.
#}
{% macro spark__replace_parts(target, new_parts, gone, key, columns) %}
    {% if gone %}
        {% set partitions = [] %}
        {% for part in gone %}
            {% do partitions.append(
                'partition (' ~ key[0] ~ ' = ' ~ sql_text(part[key[0]]) ~ ', ' ~ key[1] ~ ' = ' ~ sql_text(part[key[1]]) ~ ')'
            ) %}
        {% endfor %}
        {% do run_query('alter table ' ~ target ~ ' drop if exists ' ~ partitions | unique(case_sensitive=true) | join(', ')) %}
    {% endif %}
    insert overwrite table {{ target }} partition ({{ key[:2] | join(', ') }})
    select {{ columns }} from {{ new_parts }}
{% endmacro %}

{# dbt-spark asks these three for its own strategies alone #}
{% macro spark__partition_cols(label, required=false) -%}
    {%- if config.get('incremental_strategy') == 'parts' -%}
        {{ label }} ({{ config.get('unique_key')[:2] | join(', ') }})
    {%- endif -%}
{%- endmacro %}

{% macro dbt_spark_validate_get_incremental_strategy(strategy, file_format) %}{{ return(strategy) }}{% endmacro %}

{% macro dbt_spark_get_incremental_sql(strategy, source, target, existing, unique_key, incremental_predicates) %}
    {{ return(get_incremental_parts_sql({
        'target_relation': target,
        'temp_relation': source,
        'dest_columns': adapter.get_columns_in_relation(target),
    })) }}
{% endmacro %}
