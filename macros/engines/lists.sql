{# Lists and structs. #}

{% macro array_length(list) -%}{{ return(adapter.dispatch('array_length')(list)) }}{%- endmacro %}

{% macro duckdb__array_length(list) -%} len({{ list }}) {%- endmacro %}

{% macro spark__array_length(list) -%} size({{ list }}) {%- endmacro %}

{# Whether a list of texts has repeated items, apart from the empty text. #}
{% macro has_repeats(list) -%}{{ return(adapter.dispatch('has_repeats')(list)) }}{%- endmacro %}

{% macro duckdb__has_repeats(list) -%}
    (len(list_distinct(list_filter({{ list }}, lambda x: x <> ''))) < len(list_filter({{ list }}, lambda x: x <> '')))
{%- endmacro %}

{% macro spark__has_repeats(list) -%}
    (size(array_distinct(filter({{ list }}, x -> x <> ''))) < size(filter({{ list }}, x -> x <> '')))
{%- endmacro %}

{# A list of texts as JSON text. #}
{% macro array_as_json(list) -%}{{ return(adapter.dispatch('array_as_json')(list)) }}{%- endmacro %}

{% macro duckdb__array_as_json(list) -%} cast(to_json({{ list }}) as varchar) {%- endmacro %}

{% macro spark__array_as_json(list) -%} to_json({{ list }}) {%- endmacro %}

{# Several values as one, compared from the first on. fields: SQL by name. #}
{% macro struct(fields) -%}{{ return(adapter.dispatch('struct')(fields)) }}{%- endmacro %}

{% macro duckdb__struct(fields) -%}
    struct_pack({% for name, value in fields.items() %}{{ name }} := {{ value }}{{ ', ' if not loop.last }}{% endfor %})
{%- endmacro %}

{% macro spark__struct(fields) -%}
    named_struct(
        {%- for name, value in fields.items() %}'{{ name }}', {{ value }}{{ ', ' if not loop.last }}{% endfor -%}
    )
{%- endmacro %}

{# Repeats the rows of a relation for each item of a list, with the item and its number (from 1) as columns. #}
{% macro explode(relation, list, item, number) -%}
    {{ return(adapter.dispatch('explode')(relation, list, item, number)) }}
{%- endmacro %}

{% macro duckdb__explode(relation, list, item, number) -%}
    select
        *,
        unnest({{ list }}) as {{ item }},
        unnest(range(1, len({{ list }}) + 1)) as {{ number }}
    from {{ relation }}
{%- endmacro %}

{% macro spark__explode(relation, list, item, number) -%}
    select
        {{ relation }}.*,
        exploded_list.{{ item }},
        cast(exploded_list.position + 1 as bigint) as {{ number }}
    from {{ relation }}
    lateral view posexplode({{ list }}) exploded_list as position, {{ item }}
{%- endmacro %}

{# The type of a list of texts. #}
{% macro type_text_list() -%}{{ return(adapter.dispatch('type_text_list')()) }}{%- endmacro %}

{% macro duckdb__type_text_list() -%} varchar[] {%- endmacro %}

{% macro spark__type_text_list() -%} array<string> {%- endmacro %}

{# Texts as a list. texts: SQL of each. #}
{% macro text_list(texts) -%}{{ return(adapter.dispatch('text_list')(texts)) }}{%- endmacro %}

{% macro duckdb__text_list(texts) -%} [{{ texts | join(', ') }}] {%- endmacro %}

{% macro spark__text_list(texts) -%} array({{ texts | join(', ') }}) {%- endmacro %}

{# The parts of a text between semicolons, as a list. #}
{% macro split_at_semicolons(text) -%}{{ return(adapter.dispatch('split_at_semicolons')(text)) }}{%- endmacro %}

{% macro duckdb__split_at_semicolons(text) -%} string_split({{ text }}, ';') {%- endmacro %}

{% macro spark__split_at_semicolons(text) -%} split({{ text }}, ';') {%- endmacro %}
