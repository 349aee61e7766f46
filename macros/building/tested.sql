{#
    What was tested already. Tests that look at every event look at what a build brought in: all that is not yet in a build
    that had everything and passed. So what a failed build brought in is looked at until it passes. dbt test, a
    --full-refresh and a warehouse without such a build look at all.
#}

{# what is remembered, a table each: the relation it is taken from, and its key #}
{% macro tested_tables() %}
    {{ return({
        'tested_loads': {'of': 'stg_fal__billing_event_loads', 'key': ['account', 'landed_date', 'load_id']},
        'tested_event_days': {'of': 'int_billing_event_days__versions', 'key': ['account', 'charge_date', 'day_version']},
    }) }}
{% endmacro %}

{% macro tested_relation(table) %}
    {{ return(api.Relation.create(database=target.get('database'), schema='staging', identifier=table, type='table')) }}
{% endmacro %}

{# Rows of parts that are in no passed build: a list for is_in_parts, none for all. wanted: the relation of tested_tables(). #}
{% macro untested_parts(table, wanted) %}
    {% set tested = tested_relation(table) %}
    {% if
        not execute
        or flags.WHICH != 'build'
        or flags.FULL_REFRESH
        or not adapter.get_relation(tested.database, tested.schema, tested.identifier)
    %}
        {{ return(none) }}
    {% endif %}
    {% set key = tested_tables()[table]['key'] | join(', ') %}
    {{ return(run_query('select ' ~ key ~ ' from ' ~ wanted ~ ' except select ' ~ key ~ ' from ' ~ tested).rows | list) }}
{% endmacro %}

{# Whether a build had every seed, model and data test of the project, and none failed. Unit tests ask about the code. #}
{% macro is_passed_build(results) %}
    {% if flags.WHICH != 'build' or flags.EMPTY %}{{ return(false) }}{% endif %}
    {% set good = results | selectattr('status', 'in', ['success', 'pass', 'warn', 'no-op']) | map(attribute='node.unique_id') | list %}
    {% for node in graph.nodes.values() if node.resource_type in ['seed', 'model', 'test'] and node.unique_id not in good %}
        {{ return(false) }}
    {% endfor %}
    {{ return(results | length == good | length) }}
{% endmacro %}

{# After a build in which all passed: remember what was tested. #}
{% macro record_tested(results) %}
    {% if execute and is_passed_build(results) %}
        {% for table, what in tested_tables().items() %}
            {% set wanted = graph.nodes['model.fal_focus.' ~ what['of']].relation_name %}
            {% do run_query(replace_table(
                tested_relation(table), 'select ' ~ what['key'] | join(', ') ~ ' from ' ~ wanted
            )) %}
        {% endfor %}
    {% endif %}
{% endmacro %}

{# a statement that makes a table of a query in place of the one there may be #}
{% macro replace_table(relation, query) -%}{{ return(adapter.dispatch('replace_table')(relation, query)) }}{%- endmacro %}

{% macro duckdb__replace_table(relation, query) -%} create or replace table {{ relation }} as {{ query }} {%- endmacro %}

{# two statements elsewhere: the first is run here, the second by who asks #}
{% macro spark__replace_table(relation, query) -%}
    {%- do run_query('drop table if exists ' ~ relation) -%}
    create table {{ relation }} as {{ query }}
{%- endmacro %}
