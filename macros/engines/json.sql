{# JSON text: reading, writing and the type of a value. #}

{# A text as a JSON string. #}
{% macro json_text(text) -%}{{ return(adapter.dispatch('json_text')(text)) }}{%- endmacro %}

{% macro duckdb__json_text(text) -%}
    cast(to_json({{ text }}) as varchar)
{%- endmacro %}

{% macro spark__json_text(text) -%}
    case
        when {{ text }} is not null
            then substr(to_json(array({{ text }})), 2, length(to_json(array({{ text }}))) - 2)
    end
{%- endmacro %}

{# The pairs of a group as the text of a JSON object, keys in byte order. json: the value as JSON text. #}
{% macro json_object_agg(key, json) -%}{{ return(adapter.dispatch('json_object_agg')(key, json)) }}{%- endmacro %}

{% macro duckdb__json_object_agg(key, json) -%}
    '{' || string_agg({{ json_text(key) }} || ':' || {{ json }}, ',' order by {{ key }}) || '}'
{%- endmacro %}

{% macro spark__json_object_agg(key, json) -%}
    '{' || listagg({{ json_text(key) }} || ':' || {{ json }}, ',') within group (order by {{ key }}) || '}'
{%- endmacro %}

{# Whether a text is a JSON object. False, not an error, for a text that is not JSON. #}
{% macro is_json_object(text) -%}{{ return(adapter.dispatch('is_json_object')(text)) }}{%- endmacro %}

{% macro duckdb__is_json_object(text) -%}
    case when json_valid({{ text }}) then json_type({{ text }}) = 'OBJECT' else false end
{%- endmacro %}

{% macro spark__is_json_object(text) -%}
    coalesce({{ spark_json_type(text) }} like 'OBJECT%', false)
{%- endmacro %}

{# The type of a JSON text, or of the value under a key: object, array, string, number, boolean or null. #}
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

{% macro spark__json_kind(text, key=none) -%}
    case regexp_extract({{ spark_json_type(text, key) }}, '^[A-Z]+', 0)
        when 'STRING' then 'string'
        when 'OBJECT' then 'object'
        when 'ARRAY' then 'array'
        when 'BOOLEAN' then 'boolean'
        when 'VOID' then 'null'
        when 'BIGINT' then 'number'
        when 'DECIMAL' then 'number'
        when 'DOUBLE' then 'number'
    end
{%- endmacro %}

{# The type that Spark gives to a JSON text, or to the value under a key. Null for invalid JSON and absent keys. #}
{% macro spark_json_type(text, key=none) -%}
    {%- set value = 'try_parse_json(' ~ text ~ ')' -%}
    schema_of_variant({{ 'try_variant_get(' ~ value ~ ", '$." ~ key ~ "', 'variant')" if key else value }})
{%- endmacro %}

{# The value under a key as text without quotes, null if the key is absent. #}
{% macro json_member_text(text, key) -%}{{ return(adapter.dispatch('json_member_text')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_member_text(text, key) -%}
    json_extract_string({{ text }}, '$.{{ key }}')
{%- endmacro %}

{% macro spark__json_member_text(text, key) -%}
    try_variant_get(try_parse_json({{ text }}), '$.{{ key }}', 'string')
{%- endmacro %}

{#
    The members of a JSON object: a list of structs of key and json, which is the value as JSON text. Null for a text
    that is not an object.

#}
{% macro json_members(text) -%}{{ return(adapter.dispatch('json_members')(text)) }}{%- endmacro %}

{% macro duckdb__json_members(text) -%}
    case
        when {{ is_json_object(text) }}
            then list_transform(
                list_zip(json_keys({{ text }}), json_extract({{ text }}, '$.*')),
                lambda member: {'key': member[1], 'json': cast(member[2] as varchar)}
            )
    end
{%- endmacro %}

{% macro spark__json_members(text) -%}
    transform(
        map_entries(try_variant_get(try_parse_json({{ text }}), '$', 'map<string, variant>')),
        member -> named_struct('key', member.key, 'json', coalesce(to_json(member.value), 'null'))
    )
{%- endmacro %}

{# The number of keys of a JSON object. #}
{% macro json_key_count(text) -%}{{ return(adapter.dispatch('json_key_count')(text)) }}{%- endmacro %}

{% macro duckdb__json_key_count(text) -%}
    len(json_keys({{ text }}))
{%- endmacro %}

{% macro spark__json_key_count(text) -%}
    coalesce(size(json_object_keys({{ text }})), 0)
{%- endmacro %}

{# The items of the list under a key, each as JSON text: a list of texts, null without such a list. #}
{% macro json_items(text, key) -%}{{ return(adapter.dispatch('json_items')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_items(text, key) -%}
    case
        when json_valid({{ text }}) and json_type({{ text }}, '$.{{ key }}') = 'ARRAY'
            then cast(json_extract({{ text }}, '$.{{ key }}[*]') as varchar[])
    end
{%- endmacro %}

{% macro spark__json_items(text, key) -%}
    transform(
        try_variant_get(try_parse_json({{ text }}), '$.{{ key }}', 'array<variant>'),
        item -> coalesce(to_json(item), 'null')
    )
{%- endmacro %}

{# The item of the list under a key as JSON text, if the list has exactly one. #}
{% macro json_only_item(text, key) -%}{{ return(adapter.dispatch('json_only_item')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_only_item(text, key) -%}
    case when len({{ json_items(text, key) }}) = 1 then list_extract({{ json_items(text, key) }}, 1) end
{%- endmacro %}

{% macro spark__json_only_item(text, key) -%}
    case when size({{ json_items(text, key) }}) = 1 then element_at({{ json_items(text, key) }}, 1) end
{%- endmacro %}
