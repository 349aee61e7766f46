{#
    The score of focus.conformance_report, printed; it fails if rows that we make break a MUST. `make conformance`
#}
{% macro show_conformance() %}
    {% set tables = {
        'RULES OF FOCUS 1.3': focus_score_query(),
        'BROKEN BY ROWS THAT WE MAKE': focus_broken_query('violations'),
        'BROKEN BY ROWS OF THE PROVIDER\'S FILES': focus_broken_query('findings'),
    } %}
    {% for title, query in tables.items() %}
        {% set found = run_query(query) %}
        {% do print('') %}
        {% do print(title ~ ('' if found.rows | length else ': none')) %}
        {% if found.rows | length %}
            {% do found.print_table(max_rows=none, max_columns=none, max_column_width=90) %}
        {% endif %}
    {% endfor %}
    {% do print('') %}
    {% do print('focus.conformance_report has every rule, CONFORMANCE.md tells how to read it.') %}
    {% set musts = run_query(
        "select count(*) from " ~ ref('conformance_report')
        ~ " where not is_composite and violations > 0 and keyword like 'MUST%'"
    ).columns[0].values()[0] %}
    {% if musts %}
        {{ exceptions.raise_compiler_error('rules of FOCUS that say MUST and that rows we make break: ' ~ musts) }}
    {% endif %}
{% endmacro %}

{# composites are counted apart: they only sum up the others #}
{% macro focus_score_query() %}
    with

    rules as (

        select
            case
                when is_composite then 'composite'
                when keyword like 'MUST%' then 'MUST'
                when keyword = 'MAY' then 'MAY'
                else 'SHOULD'
            end as strength,
            lower(rule_type) as rule_type,
            status
        from {{ ref('conformance_report') }}

    )

    select
        strength as "rules",
        rule_type as "type",
        cast(count(*) as integer) as "all",
        {%- for status in ['passed', 'violated', 'finding', 'no rows', 'not checked', 'permission', 'inactive'] %}
        cast(count(case when status = '{{ status }}' then 1 end) as integer) as "{{ status }}"{{ ',' if not loop.last }}
        {%- endfor %}
    from rules
    group by strength, rule_type
    order by
        case strength when 'MUST' then 1 when 'SHOULD' then 2 when 'MAY' then 3 else 4 end,
        rule_type desc
{% endmacro %}

{% macro focus_broken_query(measure) %}
    select
        rule_id as "rule",
        keyword as "keyword",
        cast({{ measure }} as integer) as "rows",
        cast(rows_checked as integer) as "of",
        rule_text as "it says",
        {{ printable('example_row') }} as "such as"
    from {{ ref('conformance_report') }}
    where {{ measure }} > 0 and not is_composite
    order by rule_id
{% endmacro %}
