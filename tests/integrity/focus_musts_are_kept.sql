-- Every MUST and MUST NOT of FOCUS 1.3 that is checked holds for the rows that we make. The rule's id and a row are
-- printed at the end of the run.
select
    rule_id,
    rule_text,
    violations,
    example_row
from {{ ref('conformance_report') }}
where not is_composite and violations > 0 and keyword like 'MUST%'
