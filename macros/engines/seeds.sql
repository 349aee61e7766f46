{# dbt-spark's session makes the text None of an empty cell and does not escape quotes: rows are written as literals instead #}
{% macro spark__load_csv_rows(model, agate_table) %}
    {% set types = model['config']['column_types'] %}
    {% set loaded = [] %}
    {% for rows in agate_table.rows | batch(1000) %}
        {% set query %}
            insert into {{ this }}
            select
                {%- for name in agate_table.column_names %}
                cast({{ adapter.quote(name) }} as {{ types[name] }}){{ ',' if not loop.last }}
                {%- endfor %}
            from values
            {%- for row in rows %}
            ({% for cell in row %}{{ 'null' if cell is none else sql_text(cell) }}{{ ', ' if not loop.last }}{% endfor %}){{ ',' if not loop.last }}
            {%- endfor %}
            as seed ({% for name in agate_table.column_names %}{{ adapter.quote(name) }}{{ ', ' if not loop.last }}{% endfor %})
        {% endset %}
        {% do adapter.add_query(query, abridge_sql_log=True) %}
        {% do loaded.append(query) %}
    {% endfor %}
    {{ return(loaded | first | default('-- no rows')) }}
{% endmacro %}
