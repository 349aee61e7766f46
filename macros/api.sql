{# What the views of the schema api are made with. #}

{# position of a row in a mart, ascending: it stays as long as the mart does, and a reader can go on behind it at once #}
{% macro record_number() -%}{{ return(adapter.dispatch('record_number')()) }}{%- endmacro %}

{% macro duckdb__record_number() -%} rowid {%- endmacro %}

{% macro spark__record_number() -%} monotonically_increasing_id() {%- endmacro %}

{# a text as the JSON that it is; one that is no JSON as a JSON string #}
{% macro json_value(text) -%}{{ return(adapter.dispatch('json_value')(text)) }}{%- endmacro %}

{% macro duckdb__json_value(text) -%}
    case when json_valid({{ text }}) then cast({{ text }} as json) when {{ text }} is not null then to_json({{ text }}) end
{%- endmacro %}

{# Spark has no type for it #}
{% macro spark__json_value(text) -%}
    case when try_parse_json({{ text }}) is not null then {{ text }} else {{ json_text(text) }} end
{%- endmacro %}
