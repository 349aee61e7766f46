{# JSON text, as the rules of FOCUS look at it. A text that is no JSON answers false, never an error. #}

{% macro is_json_object(text) -%}{{ return(adapter.dispatch('is_json_object')(text)) }}{%- endmacro %}

{% macro duckdb__is_json_object(text) -%}
    case when json_valid({{ text }}) then json_type({{ text }}) = 'OBJECT' else false end
{%- endmacro %}

{% macro spark__is_json_object(text) -%}
    coalesce({{ spark_json_type(text) }} like 'OBJECT%', false)
{%- endmacro %}

{# what Spark calls the type of a JSON text, or of the value under a key; null for what is no JSON, or not there #}
{% macro spark_json_type(text, key=none) -%}
    schema_of_variant({{ 'try_variant_get(' if key }}try_parse_json({{ text }}){{ ", '$." ~ key ~ "', 'variant')" if key }})
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

{% macro spark__json_values_are_scalar(text) -%}
    (
        try_parse_json({{ text }}) is not null
        and not exists(
            coalesce(map_values(try_variant_get(try_parse_json({{ text }}), '$', 'map<string, variant>')), array()),
            member -> coalesce(schema_of_variant(member), '') rlike '^(OBJECT|ARRAY)'
        )
    )
{%- endmacro %}

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

{% macro spark__json_keys_match(text, pattern) -%}
    (
        try_parse_json({{ text }}) is not null
        and forall(coalesce(json_object_keys({{ text }}), array()), name -> {{ matches('name', pattern) }})
    )
{%- endmacro %}

{# whether the object has a list under this key #}
{% macro json_has_list(text, key) -%}{{ return(adapter.dispatch('json_has_list')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_has_list(text, key) -%}
    case when json_valid({{ text }}) then json_type({{ text }}, '$.{{ key }}') = 'ARRAY' else false end
{%- endmacro %}

{% macro spark__json_has_list(text, key) -%}
    coalesce({{ spark_json_type(text, key) }} like 'ARRAY%', false)
{%- endmacro %}

{# items of the list under this key, each as JSON text: a list of texts, null where there is no such list #}
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

{# of the list under this key, if there is one #}
{% macro json_items_are_of_one_type(text, key) -%}{{ return(adapter.dispatch('json_items_are_of_one_type')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_items_are_of_one_type(text, key) -%}
    coalesce(len(list_distinct(list_transform({{ json_items(text, key) }}, lambda item: {{ json_kind('item') }}))) <= 1, true)
{%- endmacro %}

{% macro spark__json_items_are_of_one_type(text, key) -%}
    coalesce(size(array_distinct(transform({{ json_items(text, key) }}, item -> {{ json_kind('item') }}))) <= 1, true)
{%- endmacro %}

{% macro json_items_differ(text, key) -%}{{ return(adapter.dispatch('json_items_differ')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_items_differ(text, key) -%}
    coalesce(len(list_distinct({{ json_items(text, key) }})) = len({{ json_items(text, key) }}), true)
{%- endmacro %}

{% macro spark__json_items_differ(text, key) -%}
    coalesce(size(array_distinct({{ json_items(text, key) }})) = size({{ json_items(text, key) }}), true)
{%- endmacro %}

{% macro json_items_are_not_null(text, key) -%}{{ return(adapter.dispatch('json_items_are_not_null')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_items_are_not_null(text, key) -%}
    coalesce(not list_contains({{ json_items(text, key) }}, 'null'), true)
{%- endmacro %}

{% macro spark__json_items_are_not_null(text, key) -%}
    coalesce(not array_contains({{ json_items(text, key) }}, 'null'), true)
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

{# the value under a key, as text without quotes; null where there is none #}
{% macro json_member_text(text, key) -%}{{ return(adapter.dispatch('json_member_text')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_member_text(text, key) -%}
    json_extract_string({{ text }}, '$.{{ key }}')
{%- endmacro %}

{% macro spark__json_member_text(text, key) -%}
    try_variant_get(try_parse_json({{ text }}), '$.{{ key }}', 'string')
{%- endmacro %}

{# members of a JSON object: a list of structs of key and json, the value as JSON text; null for what is no object #}
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

{% macro json_key_count(text) -%}{{ return(adapter.dispatch('json_key_count')(text)) }}{%- endmacro %}

{% macro duckdb__json_key_count(text) -%}
    len(json_keys({{ text }}))
{%- endmacro %}

{% macro spark__json_key_count(text) -%}
    coalesce(size(json_object_keys({{ text }})), 0)
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

{% macro spark__explode(relation, list, item, number) -%}
    select
        {{ relation }}.*,
        exploded_list.{{ item }},
        cast(exploded_list.position + 1 as bigint) as {{ number }}
    from {{ relation }}
    lateral view posexplode({{ list }}) exploded_list as position, {{ item }}
{%- endmacro %}
