{#
    Both FOCUS datasets as files: <folder>/cost_and_usage.<format> and <folder>/contract_commitment.<format>.
    format: csv, parquet or json (one object a line). The folder must be there.
    csv_formula_escape: texts of a CSV that a spreadsheet would take for formulas begin with an apostrophe.
    `dbt run-operation export --args '{format: csv, folder: export}'`
#}
{% macro export(format, folder, csv_formula_escape=false) %}
    {% if format not in ['csv', 'parquet', 'json'] %}
        {{ exceptions.raise_compiler_error("format is '" ~ format ~ "': say csv, parquet or json") }}
    {% endif %}
    {% set escape = csv_formula_escape and format == 'csv' %}
    {% for mart in ['cost_and_usage', 'contract_commitment'] %}
        {% set relation = load_relation(ref(mart)) %}
        {% if relation is none %}
            {{ exceptions.raise_compiler_error('there is no ' ~ mart ~ ' in the warehouse yet: run dbt build first') }}
        {% endif %}
        {% set file = folder ~ '/' ~ mart ~ '.' ~ format %}
        {% do adapter.dispatch('export_relation')(relation, format, file, escape) %}
        {% do print(file ~ ': ' ~ run_query('select count(*) from ' ~ relation).columns[0].values()[0] ~ ' rows') %}
    {% endfor %}
{% endmacro %}

{% macro duckdb__export_relation(relation, format, file, escape) %}
    {% set options = {'csv': 'format csv, header', 'parquet': 'format parquet', 'json': 'format json'} %}
    {% do run_query(
        'copy (select ' ~ exported_columns(relation, format, escape) ~ ' from ' ~ relation ~ ' order by all) to ' ~ sql_text(file)
        ~ ' (' ~ options[format] ~ ')'
    ) %}
{% endmacro %}

{# Spark writes a folder of this name, with one file of rows in it. Its JSON has exponents (0E-18): the objects are written as text. #}
{% macro spark__export_relation(relation, format, file, escape) %}
    {% set writers = {'csv': "csv options (header 'true', escape '\"')", 'parquet': 'parquet', 'json': 'text'} %}
    {% set columns = '*, ' ~ json_line(relation) ~ ' as line' if format == 'json' else exported_columns(relation, format, escape) %}
    {% do run_query(
        'insert overwrite directory ' ~ sql_text(file) ~ ' using ' ~ writers[format]
        ~ ' select /*+ coalesce(1) */ ' ~ ('line' if format == 'json' else '*')
        ~ ' from (select ' ~ columns ~ ' from ' ~ relation ~ ' order by all)'
    ) %}
{% endmacro %}

{# a row as a JSON object, without the fields that are null #}
{% macro json_line(relation) -%}
    '{' || concat_ws(',',
    {%- for column in adapter.get_columns_in_relation(relation) %}
        {%- set name, type = adapter.quote(column.name), column.data_type | upper %}
        '"{{ column.name }}":' ||
        {%- if 'TIMESTAMP' in type %} {{ json_text(iso_utc(name)) }}
        {%- elif 'DECIMAL' in type %} {{ decimal_with_point(name) }}
        {%- elif type == 'BIGINT' %} cast({{ name }} as {{ dbt.type_string() }}) || '.0'
        {%- else %} {{ json_text(name) }}
        {%- endif %}{{ ',' if not loop.last }}
    {%- endfor %}) || '}'
{%- endmacro %}

{% macro exported_columns(relation, format, escape) -%}
    {%- for column in adapter.get_columns_in_relation(relation) -%}
        {{ exported(column, format, escape) }}{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}

{#
    A column as a file wants it. In CSV and JSON a number has a point and no exponent: a reader that guesses types would take a column
    of whole numbers for integers, and FOCUS wants decimals. Date-times are YYYY-MM-DDTHH:mm:ssZ. Null is nothing.
#}
{% macro exported(column, format, escape=false) -%}
    {%- set name = adapter.quote(column.name) -%}
    {%- if 'TIMESTAMP' in column.data_type | upper and format != 'parquet' -%}
        {{ iso_utc(name) }} as {{ name }}
    {%- elif 'DECIMAL' in column.data_type | upper and format == 'csv' -%}
        {{ decimal_with_point(name) }} as {{ name }}
    {%- elif column.data_type | upper == 'BIGINT' and format == 'json' -%}
        cast({{ name }} as decimal(20, 1)) as {{ name }}
    {%- elif escape and (column.is_string() or column.dtype | upper in ['STRING', 'JSON']) -%}
        {{ without_formula(name) }} as {{ name }}
    {%- else -%}
        {{ name }}
    {%- endif -%}
{%- endmacro %}

{# a spreadsheet takes a text that begins with one of these for a formula; the last are tab, LF and CR #}
{% macro without_formula(text) -%}
    {%- set text = 'cast(' ~ text ~ ' as ' ~ dbt.type_string() ~ ')' -%}
    case
        when left({{ text }}, 1) in ('=', '+', '-', '@', chr(9), chr(10), chr(13)) then chr(39) || {{ text }}
        else {{ text }}
    end
{%- endmacro %}

{% macro decimal_with_point(number) -%}
    case
        when {{ plain_decimal(number) }} like '%.%' then {{ plain_decimal(number) }}
        else {{ plain_decimal(number) }} || '.0'
    end
{%- endmacro %}
