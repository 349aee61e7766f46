-- What FOCUS 1.3 recommends and rows that we make do not do.
{{ config(severity='warn') }}

select
    rule_id,
    rule_text,
    violations,
    example_row
from {{ ref('conformance_report') }}
where not is_composite and violations > 0 and keyword not like 'MUST%'
