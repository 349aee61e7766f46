{#
    A scan checks many rules of FOCUS in one pass over the rows of a mart. seeds/focus_rules describes each rule by a
    shape, a condition and arguments. The verdict of a rule on a row is true (kept), false (broken) or null (the rule
    does not apply).
#}

{#
    The result of each rule of a scan: focus_version, rule_id, rows_checked, violations (rows of our own), findings
    (rows from a file of the provider) and example_row. rules: of focus_rules_in_scan. mart: for the types of its
    columns. relation: has the rows. row_id, is_provider_row: SQL over the relation. ours_too: for each column that we
    may fill in a row of the provider, SQL for whether we filled it. part: SQL by name of columns, for a result of each
    rule and part of the rows.
#}
{% macro focus_rule_tallies(rules, mart, relation, row_id, is_provider_row, ours_too={}, part={}) %}
    {%- if not rules -%}
        select
            {%- for column, sql in part.items() %}
            {{ sql }} as {{ column }},
            {%- endfor %}
            cast(null as {{ dbt.type_string() }}) as focus_version,
            cast(null as {{ dbt.type_string() }}) as rule_id,
            cast(null as bigint) as rows_checked,
            cast(null as bigint) as violations,
            cast(null as bigint) as findings,
            cast(null as {{ dbt.type_string() }}) as example_row
        from {{ relation }}
        where false
    {%- else -%}
        {%- set rules = focus_distinct_rules(rules) -%}
        {%- set verdicts = focus_rule_verdicts(rules, mart, relation, row_id, is_provider_row, ours_too, part) -%}
        {%- set counts = focus_rule_counts(rules, verdicts, ours_too, part) -%}
        {{ return(adapter.dispatch('unpivot_tallies')(rules, counts, part)) }}
    {%- endif -%}
{% endmacro %}

{#
    The active rules of a scan in a version of FOCUS: a list of dicts, empty before the seeds are built. each_column:
    the columns of a rule with a shape that begins with every_. counts_for: version and id of the rule.

    Query while compiling: the rules are data, and each becomes its own SQL expression.
#}
{% macro focus_rules_in_scan(focus_version, scan, dataset, shapes=none) %}
    {% if not execute or not load_relation(ref('focus_rules')) %}{{ return([]) }}{% endif %}
    {% set query %}
        with

        rules as (

            select
                *,
                case when arguments = 'not_blank' then 'required_text' else replace(shape, 'every_', '') end as kind
            from {{ ref('focus_rules') }}
            where
                focus_version = '{{ focus_version }}' and '|' || scan || '|' like '%|{{ scan }}|%'
                {%- if shapes %} and shape in ({{ sql_texts(shapes) }}){% endif %}

        ),

        columns as (

            select * from {{ ref('focus_columns') }}
            where focus_version = '{{ focus_version }}' and dataset = '{{ dataset }}'

        )

        select
            rules.rule_id,
            rules.column_id,
            rules.shape,
            rules.applies_when,
            rules.arguments,
            columns.column_id as each_column
        from rules
        left join columns
            on rules.shape like 'every_%' and case rules.kind
                when 'text' then columns.data_type = 'String'
                when 'required_text' then columns.data_type = 'String' and not columns.allows_nulls
                when 'number' then columns.data_type = 'Decimal'
                when 'time' then columns.data_type = 'Date/Time'
                when 'currency' then columns.value_format = 'Currency Format' or columns.column_id = 'PricingCurrency'
                when 'key_value' then columns.value_format = 'Key-Value Format'
                when 'json_object' then columns.value_format = 'JSON Object Format'
                when 'unit' then columns.value_format like 'Unit Format%'
            end
        order by rules.rule_id, columns.{{ adapter.quote('position') }}
    {% endset %}
    {% set rules = {} %}
    {% for row in run_query(query).rows %}
        {% if row['rule_id'] not in rules %}
            {% do rules.update({row['rule_id']: {
                'rule_id': row['rule_id'],
                'counts_for': [[focus_version, row['rule_id']]],
                'verdict': (row['rule_id'] ~ '_' ~ focus_version) | lower | replace('-', '_') | replace('.', '_'),
                'column': row['column_id'],
                'each_column': [],
                'shape': row['shape'],
                'applies_when': row['applies_when'] or 'true',
                'arguments': (row['arguments'] or '').split('|'),
            }}) %}
        {% endif %}
        {% if row['each_column'] %}{% do rules[row['rule_id']].each_column.append(row['each_column']) %}{% endif %}
    {% endfor %}
    {{ return(rules.values() | list) }}
{% endmacro %}

{# A row per row of the relation: row_id, is_provider_row, the verdict of each rule, and the columns of the part. #}
{% macro focus_rule_verdicts(rules, mart, relation, row_id, is_provider_row, ours_too={}, part={}) %}
    {%- set types = {} -%}
    {%- for column in (adapter.get_columns_in_relation(mart) if load_relation(mart) else []) -%}
        {%- do types.update({column.name: column.dtype | lower}) -%}
    {%- endfor -%}
    {%- set scanned = {'types': types, 'is_provider_row': is_provider_row, 'relation': relation} -%}
    select
        {{ row_id }} as row_id,
        {{ is_provider_row }} as is_provider_row,
        {%- for column, sql in part.items() %}
        {{ sql }} as {{ column }},
        {%- endfor %}
        {%- for column, is_ours in ours_too.items() %}
        {{ is_ours }} as is_our_{{ column }},
        {%- endfor %}
        {%- for rule in rules %}
        {%- set shape = context.get('focus_shape_' ~ rule.shape) %}
        {%- if not shape %}
            {{ exceptions.raise_compiler_error(
                'seeds/focus_rules: ' ~ rule.rule_id ~ ' has the unknown shape ' ~ rule.shape
            ) }}
        {%- endif %}
        {{ shape(rule, scanned) }} as {{ rule.verdict }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
{% endmacro %}

{# One row, or one for each part, with four columns for each rule, named for its verdict. #}
{% macro focus_rule_counts(rules, verdicts, ours_too, part) %}
    with

    verdicts as (

        {{ verdicts }}

    )

    select
        {%- for column in part %}
        {{ column }},
        {%- endfor %}
        {%- for rule in rules %}
        {%- set verdict = rule.verdict %}
        {%- set is_theirs = 'is_provider_row' ~ (' and not is_our_' ~ rule.column if rule.column in ours_too) %}
        count({{ verdict }}) as {{ verdict }}_rows_checked,
        count(case when not {{ verdict }} and not ({{ is_theirs }}) then 1 end) as {{ verdict }}_violations,
        count(case when not {{ verdict }} and {{ is_theirs }} then 1 end) as {{ verdict }}_findings,
        -- a row of our own is the better example
        substr(min(
            case when not {{ verdict }} then case when {{ is_theirs }} then '2' else '1' end || row_id end
        ), 2) as {{ verdict }}_example_row{{ ',' if not loop.last }}
        {%- endfor %}
    from verdicts
    {% if part %}group by {{ part | join(', ') }}{% endif %}
{% endmacro %}

{# A row per rule and version of FOCUS that it counts for, from each row of focus_rule_counts. #}
{% macro duckdb__unpivot_tallies(rules, counts, part) %}
    with

    counts as (

        {{ counts }}

    ),

    tallies as (

        select
            {%- for column in part %}
            {{ column }},
            {%- endfor %}
            unnest([
            {%- for rule in rules %}
            {%- set is_last = loop.last %}
            {%- for focus_version, rule_id in rule.counts_for %}
            {'focus_version': '{{ focus_version }}', 'rule_id': {{ sql_text(rule_id) }}
            {%- for tally in focus_tallies() %}, '{{ tally }}': {{ rule.verdict }}_{{ tally }}{% endfor -%}
            }{{ ',' if not (is_last and loop.last) }}
            {%- endfor %}
            {%- endfor %}
        ]) as tally
        from counts

    )

    select
        {%- for column in part %}
        {{ column }},
        {%- endfor %}
        tally.focus_version,
        tally.rule_id,
        {%- for tally in focus_tallies() %}
        tally.{{ tally }}{{ ',' if not loop.last }}
        {%- endfor %}
    from tallies
{% endmacro %}

{% macro spark__unpivot_tallies(rules, counts, part) %}
    with

    counts as (

        {{ counts }}

    )

    select
        {%- for column in part %}
        {{ column }},
        {%- endfor %}
        inline(array(
        {%- for rule in rules %}
        {%- set is_last = loop.last %}
        {%- for focus_version, rule_id in rule.counts_for %}
        named_struct('focus_version', '{{ focus_version }}', 'rule_id', {{ sql_text(rule_id) }}
        {%- for tally in focus_tallies() %}, '{{ tally }}', {{ rule.verdict }}_{{ tally }}{% endfor -%}
        ){{ ',' if not (is_last and loop.last) }}
        {%- endfor %}
        {%- endfor %}
    ))
    from counts
{% endmacro %}

{% macro focus_tallies() %}{{ return(['rows_checked', 'violations', 'findings', 'example_row']) }}{% endmacro %}
