-- Rules of FOCUS that rows from the files of the provider break after repair.
{{ config(
    severity='warn',
    meta={
        'summary': "Rules of FOCUS that rows of the provider's files break: {rows} (make conformance lists them)."
    }
) }}

select
    focus_version,
    rule_id,
    rule_text,
    findings,
    example_row
from {{ ref('conformance_report') }}
where not is_composite and findings > 0
