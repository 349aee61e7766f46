{#- the most composite rules above a rule, which a test of the seed checks -#}
{%- set depth = 7 -%}

with

rules as (

    select * from {{ ref('focus_rules') }}

),

shapes as (

    select * from {{ ref('focus_rule_shapes') }}

),

months as (

    select * from {{ ref('conformance_of_charges') }}
    union all
    select * from {{ ref('conformance_of_elements') }}

),

all_months as (

    select
        focus_version,
        rule_id,
        sum(rows_checked) as rows_checked,
        sum(violations) as violations,
        sum(findings) as findings,
        -- a row of our own is the better example
        coalesce(min(case when violations > 0 then example_row end), min(example_row)) as example_row
    from months
    group by focus_version, rule_id

),

scans as (

    select * from all_months
    union all
    select * from {{ ref('conformance_across_months') }}
    union all
    select * from {{ ref('conformance_of_commitments') }}
    union all
    select * from {{ ref('conformance_of_invoices') }}
    union all
    select * from {{ ref('conformance_of_columns') }}

),

tallies as (

    select
        focus_version,
        rule_id,
        sum(rows_checked) as rows_checked,
        sum(violations) as violations,
        sum(findings) as findings,
        min(example_row) as example_row
    from scans
    group by focus_version, rule_id

),

single_rules as (

    select
        rules.*,
        rules.scan is not null as is_checked,
        coalesce(tallies.rows_checked, 0) as rows_checked,
        coalesce(tallies.violations, 0) as violations,
        coalesce(tallies.findings, 0) as findings,
        tallies.example_row
    from rules
    left join tallies on rules.focus_version = tallies.focus_version and rules.rule_id = tallies.rule_id
    where coalesce(rules.shape, '') <> 'all_of'

),

parts_1 as (

    select
        focus_version,
        rule_id,
        part_of as composite_id
    from rules
    where part_of is not null

),
{% for level in range(2, depth + 1) %}
parts_{{ level }} as (

    select
        parts.focus_version,
        parts.rule_id,
        rules.part_of as composite_id
    from parts_{{ level - 1 }} as parts
    inner join rules on parts.focus_version = rules.focus_version and parts.composite_id = rules.rule_id
    where rules.part_of is not null

),
{% endfor %}
parts as (
    {% for level in range(1, depth + 1) %}
    select * from parts_{{ level }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}

),

composite_rules as (

    -- kept if its parts are; a broken part with keyword SHOULD does not break it
    select
        parts.focus_version,
        parts.composite_id,
        max(case when single_rules.is_checked then 1 else 0 end) = 1 as is_checked,
        count(case when single_rules.is_checked then 1 end) as parts_checked,
        count(*) as parts_total,
        max(single_rules.rows_checked) as rows_checked,
        sum(case when single_rules.keyword like 'MUST%' then single_rules.violations else 0 end) as violations,
        sum(case when single_rules.keyword like 'MUST%' then single_rules.findings else 0 end) as findings,
        min(case when single_rules.keyword like 'MUST%' then single_rules.example_row end) as example_row
    from parts
    inner join single_rules
        on parts.focus_version = single_rules.focus_version and parts.rule_id = single_rules.rule_id
    group by parts.focus_version, parts.composite_id

),

all_rules as (

    select
        rules.*,
        coalesce(composite_rules.is_checked, single_rules.is_checked, false) as is_checked,
        cast(coalesce(composite_rules.rows_checked, single_rules.rows_checked, 0) as bigint) as rows_checked,
        cast(coalesce(composite_rules.violations, single_rules.violations, 0) as bigint) as violations,
        cast(coalesce(composite_rules.findings, single_rules.findings, 0) as bigint) as findings,
        coalesce(composite_rules.example_row, single_rules.example_row) as example_row,
        composite_rules.parts_checked,
        composite_rules.parts_total
    from rules
    left join single_rules
        on rules.focus_version = single_rules.focus_version and rules.rule_id = single_rules.rule_id
    left join composite_rules
        on rules.focus_version = composite_rules.focus_version and rules.rule_id = composite_rules.composite_id

),

report as (

    select
        ---------- ids
        all_rules.focus_version,
        all_rules.rule_id,
        all_rules.dataset,
        all_rules.entity_type,
        all_rules.entity,
        all_rules.column_id,

        ---------- the rule
        all_rules.text as rule_text,
        all_rules.keyword,
        all_rules.rule_type,
        all_rules.rule_status,
        coalesce(all_rules.shape, '') = 'all_of' as is_composite,

        ---------- how it is checked, or why it is not
        case
            when not all_rules.is_checked then null
            when all_rules.shape = 'all_of'
                then 'by its parts, ' || all_rules.parts_checked || ' of ' || all_rules.parts_total
            else
                shapes.how_checked
                || case when all_rules.arguments is null then '' else ' (' || all_rules.arguments || ')' end
                || case when all_rules.applies_when is null then '' else ', where ' || all_rules.applies_when end
        end as how_checked,
        case
            when all_rules.is_checked then null
            when all_rules.shape = 'all_of' then 'none of its parts is checked'
            when all_rules.answer = 'permission' then 'a permission cannot be broken'
            when all_rules.answer = 'inactive' then all_rules.why
            else all_rules.answer || ': ' || all_rules.why
        end as why_not_checked,
        all_rules.deviation as encoding_differs,

        ---------- result
        all_rules.rows_checked,
        all_rules.violations,
        all_rules.findings,
        all_rules.example_row,
        case
            when all_rules.rule_status = 'Removed' then 'inactive'
            when all_rules.answer = 'permission' then 'permission'
            when not all_rules.is_checked then 'not checked'
            when all_rules.violations > 0 then 'violated'
            when all_rules.findings > 0 then 'finding'
            when all_rules.rows_checked = 0 then 'no rows'
            else 'passed'
        end as status

    from all_rules
    left join shapes on all_rules.shape = shapes.shape

)

select * from report
