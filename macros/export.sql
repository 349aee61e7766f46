{#
    Both FOCUS datasets as files: <folder>/cost_and_usage.<format> and <folder>/contract_commitment.<format>.
    format: csv, parquet or json (one object a line). The folder must be there.
    `dbt run-operation export --args '{format: csv, folder: export}'`
#}
{% macro export(format, folder) %}
    {% if format not in ['csv', 'parquet', 'json'] %}
        {{ exceptions.raise_compiler_error("format is '" ~ format ~ "': say csv, parquet or json") }}
    {% endif %}
    {% for mart in ['cost_and_usage', 'contract_commitment'] %}
        {% set relation = load_relation(ref(mart)) %}
        {% if relation is none %}
            {{ exceptions.raise_compiler_error('there is no ' ~ mart ~ ' in the warehouse yet: run dbt build first') }}
        {% endif %}
        {% set file = folder ~ '/' ~ mart ~ '.' ~ format %}
        {% do adapter.dispatch('export_relation')(relation, format, file) %}
        {% do print(file ~ ': ' ~ run_query('select count(*) from ' ~ relation).columns[0].values()[0] ~ ' rows') %}
    {% endfor %}
{% endmacro %}

{% macro duckdb__export_relation(relation, format, file) %}
    {% set options = {'csv': 'format csv, header', 'parquet': 'format parquet', 'json': 'format json'} %}
    {% set columns = [] %}
    {% for column in adapter.get_columns_in_relation(relation) %}
        {% do columns.append(exported(column, format)) %}
    {% endfor %}
    {% do run_query(
        'copy (select ' ~ columns | join(', ') ~ ' from ' ~ relation ~ ' order by all) to ' ~ sql_text(file)
        ~ ' (' ~ options[format] ~ ')'
    ) %}
{% endmacro %}

{#
    A column as a file wants it. In CSV a decimal has a point and no exponent: a reader that guesses types would take a column
    of whole numbers for integers, and FOCUS wants decimals. Date-times are YYYY-MM-DDTHH:mm:ssZ. Null is nothing.
#}
{% macro exported(column, format) -%}
    {%- set name = adapter.quote(column.name) -%}
    {%- if 'TIMESTAMP' in column.data_type | upper and format != 'parquet' -%}
        {{ iso_utc(name) }} as {{ name }}
    {%- elif 'DECIMAL' in column.data_type | upper and format == 'csv' -%}
        regexp_replace({{ plain_decimal(name) }}, '^(-?[0-9]+)$', '\1.0') as {{ name }}
    {%- else -%}
        {{ name }}
    {%- endif -%}
{%- endmacro %}
