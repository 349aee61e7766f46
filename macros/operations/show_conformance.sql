{#
    Prints the score of focus.conformance_report. Fails if rows of our own break a MUST. `make conformance`
#}
{% macro show_conformance() %}
    {% do print_table('RULES OF FOCUS 1.3', focus_score_query()) %}
    {% set ours = 'BROKEN BY ROWS THAT WE MAKE' %}
    {% set broken = print_table(ours, focus_broken_query('violations'), ours ~ ': none') %}
    {% set theirs = "BROKEN BY ROWS OF THE PROVIDER'S FILES" %}
    {% do print_table(theirs, focus_broken_query('findings'), theirs ~ ': none') %}
    {% do print('\nfocus.conformance_report contains the result of each rule. CONFORMANCE.md explains the results.') %}
    {% set musts = broken.rows | map(attribute='keyword') | select('in', ['MUST', 'MUST NOT']) | list | length %}
    {% if musts %}
        {{ exceptions.raise_compiler_error('our rows break MUST rules of FOCUS: ' ~ musts) }}
    {% endif %}
{% endmacro %}

{# The number of rules by strength and status. Composites are counted apart, because they repeat their parts. #}
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

{# The rules that rows break. measure: violations or findings. #}
{% macro focus_broken_query(measure) %}
    select
        rule_id as "rule",
        keyword as "keyword",
        cast({{ measure }} as integer) as "rows",
        cast(rows_checked as integer) as "of",
        rule_text as "requirement",
        {{ printable('example_row') }} as "such as"
    from {{ ref('conformance_report') }}
    where {{ measure }} > 0 and not is_composite
    order by rule_id
{% endmacro %}
