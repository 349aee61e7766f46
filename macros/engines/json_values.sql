{# JSON text as JSON values, for the views of the schema api. #}

{# Whether a text is valid JSON. #}
{% macro is_strict_json(text) -%}{{ return(adapter.dispatch('is_strict_json')(text)) }}{%- endmacro %}

{# json_valid also accepts NaN, Infinity and a trailing comma. #}
{% macro duckdb__is_strict_json(text) -%}
    json_valid({{ text }})
    and not regexp_matches(regexp_replace({{ text }}, '"([^"\\]|\\.)*"', '0', 'g'), '(?i)nan|inf|,[[:space:]]*[]}]')
{%- endmacro %}

{% macro spark__is_strict_json(text) -%} try_parse_json({{ text }}) is not null {%- endmacro %}

{#
    A JSON text as a JSON value. Other texts become a JSON string. numbers: members that FOCUS defines as numbers, which
    get a decimal point if they have none.

#}
{% macro json_value(text, numbers=[]) -%}{{ return(adapter.dispatch('json_value')(text, numbers)) }}{%- endmacro %}

{% macro duckdb__json_value(text, numbers) -%}
    case
        when {{ is_strict_json(text) }}
            then cast({{ with_decimal_points(text, numbers) if numbers else text }} as json)
        when {{ text }} is not null then to_json({{ text }})
    end
{%- endmacro %}

{# Spark has no JSON type. #}
{% macro spark__json_value(text, numbers) -%}
    case
        when {{ is_strict_json(text) }} then {{ with_decimal_points(text, numbers) if numbers else text }}
        else {{ json_text(text) }}
    end
{%- endmacro %}

{#
    JSON text with .0 after these members if they are whole numbers. In a string, the quotes of a name are escaped,
    so that no string matches.
#}
{% macro with_decimal_points(json, members) -%}
    {{ return(adapter.dispatch('with_decimal_points')(json, members)) }}
{%- endmacro %}

{% macro duckdb__with_decimal_points(json, members) -%}
    regexp_replace({{ json }}, '("(?:{{ members | join('|') }})"\s*:\s*-?[0-9]+)([^0-9.eE])', '\1.0\2', 'g')
{%- endmacro %}

{% macro spark__with_decimal_points(json, members) -%}
    regexp_replace({{ json }}, '("(?:{{ members | join('|') }})"\\s*:\\s*-?[0-9]+)([^0-9.eE])', '$1.0$2')
{%- endmacro %}

{#
    A JSON object with each value as text, null for a text that is not an object. A value that is not a text becomes
    its JSON.
#}
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

{# Whether a text is a JSON object that has only texts as values: null for null. #}
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
