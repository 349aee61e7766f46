{#
    Prints the rows of a query under a title, and returns them. if_empty: what to print without rows.

    Query of an operation that a user runs: the rows are its output.
#}
{% macro print_table(title, query, if_empty=none) %}
    {% set table = run_query(query) %}
    {% if table.rows | length %}
        {% do print('\n' ~ title) %}
        {% do table.print_table(max_rows=none, max_columns=none, max_column_width=90) %}
    {% elif if_empty %}
        {% do print('\n' ~ if_empty) %}
    {% endif %}
    {{ return(table) }}
{% endmacro %}
