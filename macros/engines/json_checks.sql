{# Conditions on JSON text, for the rules of FOCUS. A text that is not JSON returns false, not an error. #}

{# Whether no value of the object is an object or a list. #}
{% macro json_values_are_scalar(text) -%}{{ return(adapter.dispatch('json_values_are_scalar')(text)) }}{%- endmacro %}

{% macro duckdb__json_values_are_scalar(text) -%}
    case
        when json_valid({{ text }})
            then len(list_filter(
                json_extract({{ text }}, '$.*'),
                lambda member: json_type(member) in ('OBJECT', 'ARRAY')
            )) = 0
        else false
    end
{%- endmacro %}

{% macro spark__json_values_are_scalar(text) -%}
    (
        try_parse_json({{ text }}) is not null
        and not exists(
            coalesce(map_values(try_variant_get(try_parse_json({{ text }}), '$', 'map<string, variant>')), array()),
            member -> coalesce(schema_of_variant(member), '') rlike '^(OBJECT|ARRAY)'
        )
    )
{%- endmacro %}

{# Whether no key of the object is repeated. #}
{% macro json_keys_differ(text) -%}{{ return(adapter.dispatch('json_keys_differ')(text)) }}{%- endmacro %}

{% macro duckdb__json_keys_differ(text) -%}
    case
        when json_valid({{ text }})
            then len(json_keys({{ text }})) = len(list_distinct(json_keys({{ text }})))
        else false
    end
{%- endmacro %}

{% macro spark__json_keys_differ(text) -%}
    (
        try_parse_json({{ text }}) is not null
        and {{ json_key_count(text) }} = coalesce(size(array_distinct(json_object_keys({{ text }}))), 0)
    )
{%- endmacro %}

{# Whether every key is one of the known keys or begins with x_. #}
{% macro json_keys_are_known(text, known) -%}
    {{ json_keys_match(text, 'x_.*|' ~ known | join('|')) }}
{%- endmacro %}

{# Whether every key matches a pattern. #}
{% macro json_keys_match(text, pattern) -%}
    {{ return(adapter.dispatch('json_keys_match')(text, pattern)) }}
{%- endmacro %}

{% macro duckdb__json_keys_match(text, pattern) -%}
    case
        when json_valid({{ text }})
            then len(list_filter(json_keys({{ text }}), lambda name: not {{ matches('name', pattern) }})) = 0
        else false
    end
{%- endmacro %}

{% macro spark__json_keys_match(text, pattern) -%}
    (
        try_parse_json({{ text }}) is not null
        and forall(coalesce(json_object_keys({{ text }}), array()), name -> {{ matches('name', pattern) }})
    )
{%- endmacro %}

{# Whether the object has a list under a key. #}
{% macro json_has_list(text, key) -%}{{ return(adapter.dispatch('json_has_list')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_has_list(text, key) -%}
    case when json_valid({{ text }}) then json_type({{ text }}, '$.{{ key }}') = 'ARRAY' else false end
{%- endmacro %}

{% macro spark__json_has_list(text, key) -%}
    coalesce({{ spark_json_type(text, key) }} like 'ARRAY%', false)
{%- endmacro %}

{# Whether the items of the list under a key have one type. True without a list. #}
{% macro json_items_are_of_one_type(text, key) -%}
    {{ return(adapter.dispatch('json_items_are_of_one_type')(text, key)) }}
{%- endmacro %}

{% macro duckdb__json_items_are_of_one_type(text, key) -%}
    coalesce(
        len(list_distinct(list_transform({{ json_items(text, key) }}, lambda item: {{ json_kind('item') }}))) <= 1, true
    )
{%- endmacro %}

{% macro spark__json_items_are_of_one_type(text, key) -%}
    coalesce(size(array_distinct(transform({{ json_items(text, key) }}, item -> {{ json_kind('item') }}))) <= 1, true)
{%- endmacro %}

{# Whether no item of the list under a key is repeated. True without a list. #}
{% macro json_items_differ(text, key) -%}{{ return(adapter.dispatch('json_items_differ')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_items_differ(text, key) -%}
    coalesce(len(list_distinct({{ json_items(text, key) }})) = len({{ json_items(text, key) }}), true)
{%- endmacro %}

{% macro spark__json_items_differ(text, key) -%}
    coalesce(size(array_distinct({{ json_items(text, key) }})) = size({{ json_items(text, key) }}), true)
{%- endmacro %}

{# Whether no item of the list under a key is null. True without a list. #}
{% macro json_items_are_not_null(text, key) -%}
    {{ return(adapter.dispatch('json_items_are_not_null')(text, key)) }}
{%- endmacro %}

{% macro duckdb__json_items_are_not_null(text, key) -%}
    coalesce(not list_contains({{ json_items(text, key) }}, 'null'), true)
{%- endmacro %}

{% macro spark__json_items_are_not_null(text, key) -%}
    coalesce(not array_contains({{ json_items(text, key) }}, 'null'), true)
{%- endmacro %}
