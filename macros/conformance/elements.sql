{# The items of the lists in JSON columns, as rows of a scan. #}

{# The columns of the keys of a JSON object: the text of each value, and its type (Key_kind, null if it is absent). #}
{% macro focus_key_columns(json, keys) -%}
    {%- for key in keys %}
        {{ json_member_text(json, key) }} as {{ key }},
        {{ json_kind(json, key) }} as {{ key }}_kind{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{# The columns of the shares under the key Applicability, as those of focus_key_columns. #}
{% macro focus_share_columns(json) -%}
    {%- for share in ['Cost', 'Usage'] %}
        {{ json_member_text(json, 'Applicability.' ~ share) }} as Applicability{{ share }},
        {{ json_kind(json, 'Applicability.' ~ share) }} as Applicability{{ share }}_kind{{ ',' if not loop.last }}
    {%- endfor %}
{%- endmacro %}

{#
    Three CTEs, the last of which has a row per item of the lists in the JSON columns of a charge, and the keys of the
    item. charges: the relation with the charges. name: of the last CTE.
#}
{% macro focus_elements(charges, name, focus_version) %}
{%- set lists = {'AllocatedMethodDetails': 'Elements', 'ContractApplied': 'Elements'} -%}
{%- set keys = [
    'ContractId', 'ContractCommitmentId', 'ContractCommitmentAppliedCost', 'ContractCommitmentAppliedQuantity',
    'ContractCommitmentAppliedUnit', 'AllocatedRatio', 'UsageQuantity', 'UsageUnit',
] -%}
{%- if focus_version == '1.4' -%}
    {%- do lists.update({'CommitmentProgramEligibilityDetails': 'CommitmentPrograms'}) -%}
    {%- do keys.append('ProgramType') -%}
{%- endif -%}
{{ name }}_lists as (

    {% for column, list in lists.items() -%}
    select
        x_Account,
        x_ChargeId,
        x_ChargeSource,
        BillingPeriodStart,
        {{ is_added_to_row(column) }} as is_added,
        ChargeCategory,
        ResourceId,
        '{{ column }}' as element_of,
        {{ json_items(column, list) }} as json_elements
    from {{ charges }}
    where {{ column }} is not null
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

{{ name }}_items as (

    {{ explode(name ~ '_lists', 'json_elements', 'element', 'element_number') }}

),

{{ name }} as (

    select
        x_Account,
        x_ChargeId,
        x_ChargeSource,
        BillingPeriodStart,
        is_added,
        ChargeCategory,
        ResourceId,
        element_of,
        element_number,
        element,
        {{- focus_key_columns('element', keys) }},
        {{ json_kind('element') }} as json_kind,
        {{ json_key_count('element') }} as key_count
    from {{ name }}_items

)
{%- endmacro %}

{# Two CTEs, the last of which is `scoped`: the commitments with the keys of their ContractCommitmentApplicability. #}
{% macro focus_scoped_commitments(commitments) %}
{%- set keys = [
    'IsGlobalScope', 'IsComplexScope', 'Applicability', 'InclusionOperator', 'Inclusions', 'ExclusionOperator',
    'Exclusions',
] -%}
applicable as (

    select
        *,
        case
            when {{ is_json_object('ContractCommitmentApplicability') }} then ContractCommitmentApplicability
        end as scope
    from {{ commitments }}

),

scoped as (

    select
        *,
        {{- focus_key_columns('scope', keys) }},
        {{- focus_share_columns('scope') }},
        coalesce({{ array_length(json_items('scope', 'Inclusions')) }}, 0) as inclusion_count,
        coalesce({{ array_length(json_items('scope', 'Exclusions')) }}, 0) as exclusion_count
    from applicable

)
{%- endmacro %}

{#
    Three CTEs, the last of which is `scopes`: a row per inclusion and exclusion of the ContractCommitmentApplicability
    of a commitment. row_id: the column with the id of the commitment.
#}
{% macro focus_scopes(commitments, row_id) %}
scope_lists as (

    {% for list in ['Inclusions', 'Exclusions'] -%}
    select
        {{ row_id }},
        '{{ list }}' as scope_of,
        {{ json_items('ContractCommitmentApplicability', list) }} as json_elements
    from {{ commitments }}
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

scope_items as (

    {{ explode('scope_lists', 'json_elements', 'element', 'element_number') }}

),

scopes as (

    select
        {{ row_id }},
        scope_of,
        element_number,
        element,
        {{- focus_key_columns('element', ['Dimension', 'Operator', 'Applicability']) }},
        {{- focus_share_columns('element') }},
        {{ json_kind('element') }} as json_kind,
        {{ json_keys_match('element', 'Dimension|Operator|Values|Applicability') }} as has_known_keys,
        coalesce({{ json_kind('element', 'Values') }}, 'null') as values_kind,
        coalesce({{ array_length(json_items('element', 'Values')) }}, 0) as value_count,
        {{ json_items_are_of_one_type('element', 'Values') }}
        and {{ json_member_text('element', 'Values') }} like '["%' as values_are_texts,
        coalesce({{ json_member_text('element', 'Values') }} like '%"*"%', false) as has_wildcard
    from scope_items

)
{%- endmacro %}
