{#
    Tests of every event check only the parts that have not been in a complete and passed build. So they check the
    parts of a failed build again until they pass. dbt test, --full-refresh and a warehouse without a passed build
    check all parts.
#}

{# The tables of tested parts: the relation with the parts, and the key. #}
{% macro tested_tables() %}
    {{ return({
        'tested_loads': {
            'of': 'stg_fal__billing_event_loads', 'key': ['account', 'landed_date', 'landed_team', 'load_id']
        },
        'tested_event_days': {
            'of': 'int_billing_event_days__versions', 'key': ['account', 'charge_date', 'day_version']
        },
    }) }}
{% endmacro %}

{% macro tested_relation(table) %}
    {{ return(api.Relation.create(database=target.get('database'), schema='staging', identifier=table, type='table')) }}
{% endmacro %}

{#
    The parts that have been in no passed build: a list for is_in_parts. All parts count if an earlier version stored
    the tested ones by another key. wanted: the relation in tested_tables().
#}
{% macro untested_parts(table, wanted) %}
    {% set tested, columns = tested_relation(table), tested_tables()[table]['key'] %}
    {% if
        not execute
        or flags.WHICH != 'build'
        or flags.FULL_REFRESH
        or not adapter.get_relation(tested.database, tested.schema, tested.identifier)
        or adapter.get_columns_in_relation(tested) | map(attribute='name') | sort != columns | sort
    %}
        {{ return(none) }}
    {% endif %}
    {% set key = columns | join(', ') %}
    {{ return(list_parts(missing_parts_query(
        key, 'select ' ~ key ~ ' from ' ~ wanted, 'select ' ~ key ~ ' from ' ~ tested
    ))) }}
{% endmacro %}

{#
    Whether a build had every seed, model and data test of the project, and all passed. Unit tests check the code, not
    the data.
#}
{% macro is_passed_build(results) %}
    {% if flags.WHICH != 'build' or flags.EMPTY %}{{ return(false) }}{% endif %}
    {% set statuses = ['success', 'pass', 'warn', 'no-op'] %}
    {% set passed = results | selectattr('status', 'in', statuses) | map(attribute='node.unique_id') | list %}
    {% for node in graph.nodes.values() %}
        {% if node.resource_type in ['seed', 'model', 'test'] and node.unique_id not in passed %}
            {{ return(false) }}
        {% endif %}
    {% endfor %}
    {{ return(results | length == passed | length) }}
{% endmacro %}

{# After a passed build, the statement that stores the tested parts in a table of tested_tables(). #}
{% macro record_tested(results, table) %}
    {% if execute and is_passed_build(results) %}
        {% set tested = tested_tables()[table] %}
        {% set wanted = graph.nodes['model.fal_focus.' ~ tested['of']].relation_name %}
        {{ return(adapter.dispatch('replace_table')(
            tested_relation(table), 'select ' ~ tested['key'] | join(', ') ~ ' from ' ~ wanted
        )) }}
    {% endif %}
{% endmacro %}

{% macro duckdb__replace_table(relation, query) -%}
    create or replace table {{ relation }} as {{ query }}
{%- endmacro %}

{# Spark replaces no Parquet table in one statement. #}
{% macro spark__replace_table(relation, query) -%}
    {%- do adapter.drop_relation(relation) -%}
    create table {{ relation }} as {{ query }}
{%- endmacro %}
