{# What the views of the schema api are made with. #}

{#
    Position of a row in a mart, ascending. It stays as long as the mart does, and a reader can go on behind it at once.
    A unit test, whose rows are in no table, overrides it.
#}
{% macro record_number() -%}{{ return(adapter.dispatch('record_number')()) }}{%- endmacro %}

{% macro duckdb__record_number() -%} rowid {%- endmacro %}

{% macro spark__record_number() -%} monotonically_increasing_id() {%- endmacro %}

{# whether a text is JSON by the letter; DuckDB also reads NaN, Infinity and a comma behind the last member #}
{% macro is_strict_json(text) -%}{{ return(adapter.dispatch('is_strict_json')(text)) }}{%- endmacro %}

{% macro duckdb__is_strict_json(text) -%}
    json_valid({{ text }})
    and not regexp_matches(regexp_replace({{ text }}, '"([^"\\]|\\.)*"', '0', 'g'), '(?i)nan|inf|,[[:space:]]*[]}]')
{%- endmacro %}

{% macro spark__is_strict_json(text) -%} try_parse_json({{ text }}) is not null {%- endmacro %}

{#
    A JSON text as a JSON value; a text that is no JSON as a JSON string.
    numbers: members that are numbers by FOCUS; they get a decimal point where they have none.
#}
{% macro json_value(text, numbers=[]) -%}{{ return(adapter.dispatch('json_value')(text, numbers)) }}{%- endmacro %}

{% macro duckdb__json_value(text, numbers) -%}
    case
        when {{ is_strict_json(text) }}
            then cast({{ with_decimal_points(text, numbers) if numbers else text }} as json)
        when {{ text }} is not null then to_json({{ text }})
    end
{%- endmacro %}

{# Spark has no type for it #}
{% macro spark__json_value(text, numbers) -%}
    case
        when {{ is_strict_json(text) }} then {{ with_decimal_points(text, numbers) if numbers else text }}
        else {{ json_text(text) }}
    end
{%- endmacro %}

{# JSON with .0 behind these members where they are whole numbers; within a string the quotes of a name have backslashes #}
{% macro with_decimal_points(json, members) -%}{{ return(adapter.dispatch('with_decimal_points')(json, members)) }}{%- endmacro %}

{% macro duckdb__with_decimal_points(json, members) -%}
    regexp_replace({{ json }}, '("(?:{{ members | join('|') }})"\s*:\s*-?[0-9]+)([^0-9.eE])', '\1.0\2', 'g')
{%- endmacro %}

{% macro spark__with_decimal_points(json, members) -%}
    regexp_replace({{ json }}, '("(?:{{ members | join('|') }})"\\s*:\\s*-?[0-9]+)([^0-9.eE])', '$1.0$2')
{%- endmacro %}

{# a JSON object with each value as text, that of no text as its JSON; null for what is no object #}
{% macro json_texts(text) -%}{{ return(adapter.dispatch('json_texts')(text)) }}{%- endmacro %}

{% macro duckdb__json_texts(text) -%}
    case
        when {{ json_values_are_texts(text) }} then cast({{ text }} as json)
        when {{ is_strict_json(text) }} and {{ is_json_object(text) }}
            then cast('{' || array_to_string(list_transform(
                list_zip(json_keys({{ text }}), json_extract_string({{ text }}, '$.*')),
                lambda member: to_json(member[1]) || ':' || to_json(coalesce(member[2], 'null'))
            ), ',') || '}' as json)
    end
{%- endmacro %}

{% macro spark__json_texts(text) -%}
    case
        when {{ json_values_are_texts(text) }} then {{ text }}
        when {{ is_json_object(text) }}
            then to_json(transform_values(
                try_variant_get(try_parse_json({{ text }}), '$', 'map<string, variant>'),
                (name, value) -> coalesce(try_variant_get(value, '$', 'string'), to_json(value), 'null')
            ))
    end
{%- endmacro %}

{# whether a text is a JSON object of which each value is a text; null for null #}
{% macro json_values_are_texts(text) -%}{{ return(adapter.dispatch('json_values_are_texts')(text)) }}{%- endmacro %}

{% macro duckdb__json_values_are_texts(text) -%}
    case
        when {{ is_strict_json(text) }} and {{ is_json_object(text) }}
            then len(list_filter(json_extract({{ text }}, '$.*'), lambda member: json_type(member) <> 'VARCHAR')) = 0
        when {{ text }} is not null then false
    end
{%- endmacro %}

{% macro spark__json_values_are_texts(text) -%}
    case
        when {{ is_json_object(text) }}
            then forall(
                map_values(try_variant_get(try_parse_json({{ text }}), '$', 'map<string, variant>')),
                value -> coalesce(schema_of_variant(value), '') = 'STRING'
            )
        when {{ text }} is not null then false
    end
{%- endmacro %}

{# the item of the list under this key, as JSON text, if it is the only one #}
{% macro json_only_item(text, key) -%}{{ return(adapter.dispatch('json_only_item')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_only_item(text, key) -%}
    case when len({{ json_items(text, key) }}) = 1 then list_extract({{ json_items(text, key) }}, 1) end
{%- endmacro %}

{% macro spark__json_only_item(text, key) -%}
    case when size({{ json_items(text, key) }}) = 1 then element_at({{ json_items(text, key) }}, 1) end
{%- endmacro %}
