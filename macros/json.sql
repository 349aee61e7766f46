{# JSON text, as the rules of FOCUS look at it. A text that is no JSON answers false, never an error. #}

{% macro is_json_object(text) -%}{{ return(adapter.dispatch('is_json_object')(text)) }}{%- endmacro %}

{% macro duckdb__is_json_object(text) -%}
    case when json_valid({{ text }}) then json_type({{ text }}) = 'OBJECT' else false end
{%- endmacro %}

{# whether no value of the object is an object or a list #}
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

{% macro json_keys_differ(text) -%}{{ return(adapter.dispatch('json_keys_differ')(text)) }}{%- endmacro %}

{% macro duckdb__json_keys_differ(text) -%}
    case
        when json_valid({{ text }})
            then len(json_keys({{ text }})) = len(list_distinct(json_keys({{ text }})))
        else false
    end
{%- endmacro %}

{# whether every key is one of those known, or begins with x_ #}
{% macro json_keys_are_known(text, known) -%}
    {{ json_keys_match(text, 'x_.*|' ~ known | join('|')) }}
{%- endmacro %}

{% macro json_keys_match(text, pattern) -%}{{ return(adapter.dispatch('json_keys_match')(text, pattern)) }}{%- endmacro %}

{% macro duckdb__json_keys_match(text, pattern) -%}
    case
        when json_valid({{ text }})
            then len(list_filter(json_keys({{ text }}), lambda name: not {{ matches('name', pattern) }})) = 0
        else false
    end
{%- endmacro %}

{# whether the object has a list under this key #}
{% macro json_has_list(text, key) -%}{{ return(adapter.dispatch('json_has_list')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_has_list(text, key) -%}
    case when json_valid({{ text }}) then json_type({{ text }}, '$.{{ key }}') = 'ARRAY' else false end
{%- endmacro %}

{# items of the list under this key, each as JSON text: a list of texts, null where there is no such list #}
{% macro json_items(text, key) -%}{{ return(adapter.dispatch('json_items')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_items(text, key) -%}
    case
        when json_valid({{ text }}) and json_type({{ text }}, '$.{{ key }}') = 'ARRAY'
            then cast(json_extract({{ text }}, '$.{{ key }}[*]') as varchar[])
    end
{%- endmacro %}

{# of the list under this key, if there is one #}
{% macro json_items_are_of_one_type(text, key) -%}{{ return(adapter.dispatch('json_items_are_of_one_type')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_items_are_of_one_type(text, key) -%}
    coalesce(len(list_distinct(list_transform({{ json_items(text, key) }}, lambda item: {{ json_kind('item') }}))) <= 1, true)
{%- endmacro %}

{% macro json_items_differ(text, key) -%}{{ return(adapter.dispatch('json_items_differ')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_items_differ(text, key) -%}
    coalesce(len(list_distinct({{ json_items(text, key) }})) = len({{ json_items(text, key) }}), true)
{%- endmacro %}

{% macro json_items_are_not_null(text, key) -%}{{ return(adapter.dispatch('json_items_are_not_null')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_items_are_not_null(text, key) -%}
    coalesce(not list_contains({{ json_items(text, key) }}, 'null'), true)
{%- endmacro %}

{# what a JSON text is: object, array, string, number, boolean or null #}
{% macro json_kind(text, key=none) -%}{{ return(adapter.dispatch('json_kind')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_kind(text, key=none) -%}
    case json_type({{ text }}{{ ", '$." ~ key ~ "'" if key }})
        when 'VARCHAR' then 'string'
        when 'OBJECT' then 'object'
        when 'ARRAY' then 'array'
        when 'BOOLEAN' then 'boolean'
        when 'NULL' then 'null'
        when 'UBIGINT' then 'number'
        when 'BIGINT' then 'number'
        when 'HUGEINT' then 'number'
        when 'DOUBLE' then 'number'
    end
{%- endmacro %}

{# the value under a key, as text without quotes; null where there is none #}
{% macro json_member_text(text, key) -%}{{ return(adapter.dispatch('json_member_text')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_member_text(text, key) -%}
    json_extract_string({{ text }}, '$.{{ key }}')
{%- endmacro %}

{% macro json_key_count(text) -%}{{ return(adapter.dispatch('json_key_count')(text)) }}{%- endmacro %}

{% macro duckdb__json_key_count(text) -%}
    len(json_keys({{ text }}))
{%- endmacro %}

{# rows of a relation repeated for each item of a list, with the item as a column, numbered from 1 #}
{% macro explode(relation, list, item, number) -%}{{ return(adapter.dispatch('explode')(relation, list, item, number)) }}{%- endmacro %}

{% macro duckdb__explode(relation, list, item, number) -%}
    select
        *,
        unnest({{ list }}) as {{ item }},
        unnest(range(1, len({{ list }}) + 1)) as {{ number }}
    from {{ relation }}
{%- endmacro %}
