-- Recommendations of FOCUS that rows of our own do not follow.
{{ config(severity='warn') }}

select
    focus_version,
    rule_id,
    rule_text,
    violations,
    example_row
from {{ ref('conformance_report') }}
where not is_composite and violations > 0 and keyword not like 'MUST%'
