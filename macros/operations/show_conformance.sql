{#
    Prints the score of focus.conformance_report, of both versions of FOCUS or of one. Fails if rows of our own break a
    MUST of them. `make conformance`
#}
{% macro show_conformance(focus_version=none) %}
    {% set versions = ['1.3', '1.4'] %}
    {% if focus_version is not none %}
        {% set focus_version = focus_version | string %}
        {% if focus_version not in versions %}
            {{ exceptions.raise_compiler_error('FOCUS ' ~ focus_version ~ ' is unknown: VERSION is 1.3 or 1.4') }}
        {% endif %}
        {% set versions = [focus_version] %}
    {% endif %}
    {% set broken_musts = [] %}
    {% for version in versions %}
        {% do print_table('RULES OF FOCUS ' ~ version, focus_score_query(version)) %}
        {% set ours = 'FOCUS ' ~ version ~ ': BROKEN BY ROWS THAT WE MAKE' %}
        {% set broken = print_table(ours, focus_broken_query(version, 'violations'), ours ~ ': none') %}
        {% set theirs = 'FOCUS ' ~ version ~ ": BROKEN BY ROWS OF THE PROVIDER'S FILES" %}
        {% do print_table(theirs, focus_broken_query(version, 'findings'), theirs ~ ': none') %}
        {% for keyword in broken.rows | map(attribute='keyword') if keyword in ['MUST', 'MUST NOT'] %}
            {% do broken_musts.append(keyword) %}
        {% endfor %}
    {% endfor %}
    {% do print('\nfocus.conformance_report contains the result of each rule. CONFORMANCE.md explains the results.') %}
    {% if broken_musts %}
        {{ exceptions.raise_compiler_error('our rows break MUST rules of FOCUS: ' ~ broken_musts | length) }}
    {% endif %}
{% endmacro %}

{# The number of rules by strength and status. Composites are counted apart, because they repeat their parts. #}
{% macro focus_score_query(focus_version) %}
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
        where focus_version = '{{ focus_version }}'

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
{% macro focus_broken_query(focus_version, measure) %}
    select
        rule_id as "rule",
        keyword as "keyword",
        cast({{ measure }} as integer) as "rows",
        cast(rows_checked as integer) as "of",
        rule_text as "requirement",
        {{ printable('example_row') }} as "such as"
    from {{ ref('conformance_report') }}
    where focus_version = '{{ focus_version }}' and {{ measure }} > 0 and not is_composite
    order by rule_id
{% endmacro %}
