{#
    Incremental models are built in parts. A part is the rows with the same values of the model's unique_key. The
    relation in meta.parts_of has the keys of all parts that the model should have. A build adds the missing parts and
    removes the others. So one strategy, `parts`, handles data that is landed again, late, removed or empty. A model
    compares its own parts with those of meta.parts_of, so that a build completes what a killed build left.
#}

{#
    Overrides the macro of dbt, which decides by --full-refresh. A table of parts is also rebuilt if its columns
    differ from those of its .yml, by name or by a data_type given there.
#}
{% macro should_full_refresh() %}
    {% set is_requested = flags.FULL_REFRESH if config.get('full_refresh') is none else config.get('full_refresh') %}
    {% if not is_requested and execute and config.get('incremental_strategy') == 'parts' and load_relation(this) %}
        {% set columns = adapter.get_columns_in_relation(this) %}
        {% if columns | map(attribute='name') | sort != model.columns.keys() | sort %}{{ return(true) }}{% endif %}
        {% for column in columns %}
            {% set expected = model.columns[column.name].data_type or column.dtype %}
            {% if listed_type(expected) != column.dtype | lower %}{{ return(true) }}{% endif %}
        {% endfor %}
    {% endif %}
    {{ return(is_requested) }}
{% endmacro %}

{#
    The order of the rows that a model of parts stores. DuckDB reads only the row groups of some days if their rows are
    adjacent. Spark has a folder for each day.
#}
{% macro in_order_of_parts(columns) %}{{ return(adapter.dispatch('in_order_of_parts')(columns)) }}{% endmacro %}

{% macro duckdb__in_order_of_parts(columns) %}order by {{ columns | join(', ') }}{% endmacro %}

{% macro spark__in_order_of_parts(columns) %}{% endmacro %}

{# The keys of the parts of `wanted` that this model lacks: a list of rows. None stands for all parts. #}
{% macro parts_to_build(wanted) %}
    {% if not execute or not is_incremental() %}{{ return(none) }}{% endif %}
    {% set key = config.get('unique_key') %}
    {{ return(list_parts(adapter.dispatch('parts_to_build_query')(
        key, 'select ' ~ key | join(', ') ~ ' from ' ~ wanted, held_parts_query(this)
    ))) }}
{% endmacro %}

{% macro duckdb__parts_to_build_query(key, wanted, held) -%}
    {{ missing_parts_query(key | join(', '), wanted, held) }}
{%- endmacro %}

{# Spark replaces whole folders (see spark__replace_parts): all parts of each account and day or month that changed. #}
{% macro spark__parts_to_build_query(key, wanted, held) -%}
    {%- set keys, folder = key | join(', '), key[:2] | join(', ') -%}
    select {{ keys }}
    from ({{ wanted }}) as wanted
    where ({{ folder }}) in (
        select {{ folder }} from ({{ missing_parts_query(keys, wanted, held) }}) as missing
        union all
        select {{ folder }} from ({{ missing_parts_query(keys, held, wanted) }}) as obsolete
    )
    order by {{ keys }}
{%- endmacro %}

{#
    A query of the keys of the parts in a table. meta.in_each_part: a condition that few rows of each part fulfil, for
    a faster scan.
#}
{% macro held_parts_query(relation) -%}
    select distinct {{ config.get('unique_key') | join(', ') }}
    from {{ relation }}
    where {{ config.get('meta').get('in_each_part', 'true') }}
{%- endmacro %}

{# A query of the keys of `wanted` that are not in `held`; both are queries. #}
{% macro missing_parts_query(key, wanted, held) -%}
    select {{ key }} from ({{ wanted }} except {{ held }}) as missing order by {{ key }}
{%- endmacro %}

{#
    The keys of parts: a list of rows, for is_in_parts.

    Query while compiling: a scan reads only the row groups or files of these parts, because their keys are constants.
    With a join, DuckDB would read all rows of a table behind a view.
#}
{% macro list_parts(query) %}{{ return(adapter.dispatch('list_parts')(query, run_query(query).rows)) }}{% endmacro %}

{% macro duckdb__list_parts(query, rows) %}{{ return(rows | list) }}{% endmacro %}

{#
    A session returns dates, and PyHive returns them as text, with the type DATE_TYPE.

    Query while compiling: dbt returns the rows of a query without their types.
#}
{% macro spark__list_parts(query, rows) %}
    {% if target.method == 'session' %}{{ return(rows | list) }}{% endif %}
    {% set parts, types = [], get_column_schema_from_query(query) | map(attribute='dtype') | list %}
    {% for row in rows %}
        {% set part = [] %}
        {% for value in row %}
            {% set is_date = types[loop.index0] == 'DATE_TYPE' %}
            {% do part.append(modules.datetime.date.fromisoformat(value) if is_date else value) %}
        {% endfor %}
        {% do parts.append(part) %}
    {% endfor %}
    {{ return(parts) }}
{% endmacro %}

{#
    A condition: whether a row belongs to one of these parts. columns: SQL for the first columns of the key, in its
    order. parts: rows that begin with these columns, none for all parts. The ranges are for DuckDB, which pushes
    ranges, but not lists of values, into the scan of a table behind a view.
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
            ({% for column in columns %}{{ sql_value(part[loop.index0]) }}{{ ', ' if not loop.last }}{% endfor %})
            {{- ',' if not loop.last }}
            {%- endfor %}
        )
    {%- endif -%}
{%- endmacro %}

{#
    A condition: whether a row belongs to the month of one of these parts, which begin with an account and a day. time:
    a column with UTC times. Its range is for DuckDB, which pushes no condition on an expression below a join.
#}
{% macro is_in_months_of_parts(parts, account, time) -%}
    {%- if not parts -%} {{ is_in_parts(parts, []) }}
    {%- else -%}
        {%- set months = [] -%}
        {%- for part in parts -%}
            {%- do months.append((part[0], part[1].replace(day=1))) -%}
        {%- endfor -%}
        {{ is_in_parts(months | unique | list, [account, month_of(time)]) }}
        and {{ time }} >= {{ sql_value(months | map(attribute=1) | min) }}
        and {{ time }} < {{ utc_add('month', 1, sql_value(months | map(attribute=1) | max)) }}
    {%- endif -%}
{%- endmacro %}

{# The strategy. temp_relation has the rows of the parts to build. #}
{% macro get_incremental_parts_sql(arguments) %}
    {% set key = config.get('unique_key') %}
    {% set wanted = 'select ' ~ key | join(', ') ~ ' from ' ~ ref(config.get('meta')['parts_of']) %}
    {{ return(adapter.dispatch('replace_parts')(
        arguments['target_relation'],
        arguments['temp_relation'],
        missing_parts_query(key | join(', '), held_parts_query(arguments['target_relation']), wanted),
        key,
        arguments['dest_columns'] | map(attribute='quoted') | join(', '),
    )) }}
{% endmacro %}

{#
    Deletes the parts of `obsolete`, a query of keys, and inserts the rows of new_parts. Readers see both changes at
    once, because they are one transaction.
#}
{% macro duckdb__replace_parts(target, new_parts, obsolete, key, columns) %}
    delete from {{ target }}
    where ({{ key | join(', ') }}) in ({{ obsolete }});
    insert into {{ target }} ({{ columns }})
    select {{ columns }} from {{ new_parts }}
{% endmacro %}

{#
    On Spark a table of parts has a folder for each account and day or month, the first two columns of its key. Nearly
    every day is one part at a time; a day of an organization has a part for each team. Folders of obsolete parts are
    dropped, and those of new parts are overwritten, with all parts of the day: see parts_to_build. If a build is killed
    in between, the next build repeats both.

    Query while compiling: Spark runs one statement at a time, and has no DELETE for Parquet tables.
#}
{% macro spark__replace_parts(target, new_parts, obsolete, key, columns) %}
    {% set partitions = [] %}
    {% for part in list_parts(obsolete) %}
        {% set account, day = sql_text(part[0]), sql_text(part[1]) %}
        {% do partitions.append('partition (' ~ key[0] ~ ' = ' ~ account ~ ', ' ~ key[1] ~ ' = ' ~ day ~ ')') %}
    {% endfor %}
    {% if partitions %}
        {% set dropped = partitions | unique(case_sensitive=true) | join(', ') %}
        {% do run_query('alter table ' ~ target ~ ' drop if exists ' ~ dropped) %}
    {% endif %}
    insert overwrite table {{ target }} partition ({{ key[:2] | join(', ') }})
    select {{ columns }} from {{ new_parts }}
{% endmacro %}
