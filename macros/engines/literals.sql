{# Values of Jinja as SQL literals. #}

{# A value as a text literal. #}
{% macro sql_text(value) -%}{{ return(adapter.dispatch('sql_text')(value | string)) }}{%- endmacro %}

{% macro duckdb__sql_text(value) -%} '{{ value | replace("'", "''") }}' {%- endmacro %}

{% macro spark__sql_text(value) -%} '{{ value | replace("\\", "\\\\") | replace("'", "\\'") }}' {%- endmacro %}

{# Values as text literals with commas between them. #}
{% macro sql_texts(values) -%}
    {%- for value in values -%} {{ sql_text(value) }}{{ ', ' if not loop.last }} {%- endfor -%}
{%- endmacro %}

{# A text or date as a literal. #}
{% macro sql_value(value) -%}
    {%- if value.isoformat is defined -%} cast('{{ value.isoformat() }}' as date)
    {%- else -%} {{ sql_text(value) }}
    {%- endif -%}
{%- endmacro %}

{# Texts as a DuckDB list literal, one a line. #}
{% macro duckdb_text_list(paths) -%}
    [
        {%- for path in paths %}
        {{ sql_text(path) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ]
{%- endmacro %}

{# A query without rows. columns: SQL type by column name. #}
{% macro empty_relation(columns) %}
    select
        {%- for name, type in columns.items() %}
        cast(null as {{ type }}) as {{ adapter.quote(name) }}{{ ',' if not loop.last }}
        {%- endfor %}
    where false
{% endmacro %}

{# A text expression that fails the query when it is evaluated. message: SQL of a text. #}
{% macro raise_error(message) -%}{{ return(adapter.dispatch('raise_error')(message)) }}{%- endmacro %}

{% macro duckdb__raise_error(message) -%} cast(error({{ message }}) as varchar) {%- endmacro %}

{% macro spark__raise_error(message) -%} cast(raise_error({{ message }}) as string) {%- endmacro %}

{# The name, in lower case, with which the engine lists a data type of a .yml. #}
{% macro listed_type(data_type) %}{{ return(adapter.dispatch('listed_type')(data_type | lower)) }}{% endmacro %}

{% macro duckdb__listed_type(data_type) %}{{ return('varchar' if data_type == 'string' else data_type) }}{% endmacro %}

{% macro spark__listed_type(data_type) %}{{ return(data_type) }}{% endmacro %}
