-- Rows of our own keep every checked MUST and MUST NOT of FOCUS 1.3 and 1.4. The end of the run prints the id of a
-- broken rule and a row.
select
    focus_version,
    rule_id,
    rule_text,
    violations,
    example_row
from {{ ref('conformance_report') }}
where not is_composite and violations > 0 and keyword like 'MUST%'
