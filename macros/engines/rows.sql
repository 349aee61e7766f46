{# Expressions over the rows of a relation. #}

{#
    The position of a row in a mart, ascending. It is stable as long as the table is, so that a reader can continue
    after it. Unit tests override it, because their rows are in no table.
#}
{% macro record_number() -%}{{ return(adapter.dispatch('record_number')()) }}{%- endmacro %}

{% macro duckdb__record_number() -%} rowid {%- endmacro %}

{% macro spark__record_number() -%} monotonically_increasing_id() {%- endmacro %}

{#
    Whether all rows of a relation that have the key of this row, and fulfil the condition `among`, have one value
    that is not null.
#}
{% macro has_one_value(value, key, relation, among) -%}
    {{ return(adapter.dispatch('has_one_value')(value, key, relation, among)) }}
{%- endmacro %}

{# An aggregate, not a window: a window would keep all rows in memory, with every column that the rules use. #}
{% macro duckdb__has_one_value(value, key, relation, among) -%}
    {{ key }} not in (
        select {{ key }}
        from {{ relation }}
        where {{ key }} is not null and {{ among }}
        group by {{ key }}
        having min({{ value }}) <> max({{ value }}) or count({{ value }}) <> count(*)
    )
{%- endmacro %}

{# A window: Spark allows subqueries in filters only. #}
{% macro spark__has_one_value(value, key, relation, among) -%}
    {%- set rows = 'over (partition by ' ~ key ~ ', ' ~ among ~ ')' -%}
    min({{ value }}) {{ rows }} = max({{ value }}) {{ rows }} and count({{ value }}) {{ rows }} = count(*) {{ rows }}
{%- endmacro %}

{# Whether a value is in a column of a relation. column: SQL over the relation. #}
{% macro is_in_column(value, relation, column) -%}
    {{ return(adapter.dispatch('is_in_column')(value, relation, column)) }}
{%- endmacro %}

{% macro duckdb__is_in_column(value, relation, column) -%}
    {{ value }} in (select {{ column }} from {{ relation }})
{%- endmacro %}

{# Spark allows IN with a subquery in filters only. #}
{% macro spark__is_in_column(value, relation, column) -%}
    array_contains((select collect_list({{ column }}) from {{ relation }}), {{ value }})
{%- endmacro %}

{# A hash of all columns of a row: an integer, the same in each build. relation: its name in the query. #}
{% macro hash_of_row(relation) -%}{{ return(adapter.dispatch('hash_of_row')(relation)) }}{%- endmacro %}

{% macro duckdb__hash_of_row(relation) -%} hash({{ relation }}) {%- endmacro %}

{# Spark's function ignores nulls, so that a value could move to another column. The text has the names of columns. #}
{% macro spark__hash_of_row(relation) -%}
    xxhash64(to_json(struct(*), map('ignoreNullFields', 'false')))
{%- endmacro %}
