{# The shapes of rules on an element of ContractApplied or AllocatedMethodDetails (see shapes.sql), and the elements. #}

{# ---- the element #}

{% macro focus_shape_flat_element(rule, scanned) -%}
    {{ focus_verdict(rule, focus_value_is_key_value('element')) }}
{%- endmacro %}

{% macro focus_shape_known_element_keys(rule, scanned) -%}
    {{ focus_verdict(rule, json_keys_are_known('element', rule.arguments)) }}
{%- endmacro %}

{% macro focus_shape_pascal_keys(rule, scanned) -%}
    {{ focus_verdict(rule, json_keys_match('element', '(x_)?[A-Z][A-Za-z0-9]*')) }}
{%- endmacro %}

{% macro focus_shape_keys_exist(rule, scanned) -%}
    {%- set conditions = [] -%}
    {%- for key in rule.arguments %}{% do conditions.append(key ~ '_kind is not null') %}{% endfor -%}
    {{ focus_verdict(rule, conditions | join(' and ')) }}
{%- endmacro %}

{# ---- a key of the element, which is the argument of the rule #}

{% macro focus_shape_key_exists(rule, scanned) -%}
    {{ focus_verdict(rule, rule.arguments[0] ~ '_kind is not null') }}
{%- endmacro %}

{% macro focus_shape_key_not_null(rule, scanned) -%}
    {{ focus_verdict(rule, 'coalesce(' ~ rule.arguments[0] ~ "_kind, 'null') <> 'null'") }}
{%- endmacro %}

{% macro focus_shape_key_null(rule, scanned) -%}
    {{ focus_verdict(rule, 'coalesce(' ~ rule.arguments[0] ~ "_kind, 'null') = 'null'") }}
{%- endmacro %}

{% macro focus_shape_key_text(rule, scanned) -%}
    {{ focus_verdict_on_key(rule, rule.arguments[0] ~ "_kind = 'string'") }}
{%- endmacro %}

{% macro focus_shape_key_number(rule, scanned) -%}
    {{ focus_verdict_on_key(rule, rule.arguments[0] ~ "_kind = 'number'") }}
{%- endmacro %}

{% macro focus_shape_key_text_format(rule, scanned) -%}
    {{ focus_verdict_on_key(rule, focus_value_is_text(rule.arguments[0])) }}
{%- endmacro %}

{% macro focus_shape_key_number_format(rule, scanned) -%}
    {{ focus_verdict_on_key(rule, is_number(rule.arguments[0])) }}
{%- endmacro %}

{% macro focus_shape_key_unit_format(rule, scanned) -%}
    {{ focus_verdict_on_key(rule, focus_value_is_unit(rule.arguments[0])) }}
{%- endmacro %}

{#
    Two CTEs: `lists`, and `elements`, a row per item of the list Elements in the JSON columns of a charge. Each key
    of FOCUS has two columns: its text, and its type (Key_kind: string, number, null ..., null if the key is absent).
#}
{% macro focus_elements(charges) %}
{%- set json_columns = ['AllocatedMethodDetails', 'ContractApplied'] -%}
{%- set keys = [
    'ContractId', 'ContractCommitmentId', 'ContractCommitmentAppliedCost', 'ContractCommitmentAppliedQuantity',
    'ContractCommitmentAppliedUnit', 'AllocatedRatio', 'UsageQuantity', 'UsageUnit',
] -%}
lists as (

    {% for column in json_columns -%}
    select
        x_ChargeId,
        x_ChargeSource,
        {{ is_added_to_row(column) }} as is_added,
        ChargeCategory,
        ResourceId,
        '{{ column }}' as element_of,
        {{ json_items(column, 'Elements') }} as json_elements
    from {{ charges }}
    where {{ column }} is not null
    {% if not loop.last %}union all{% endif %}
    {% endfor %}
),

exploded as (

    {{ explode('lists', 'json_elements', 'element', 'element_number') }}

),

elements as (

    select
        x_ChargeId,
        x_ChargeSource,
        is_added,
        ChargeCategory,
        ResourceId,
        element_of,
        element_number,
        element,
        {%- for key in keys %}
        {{ json_member_text('element', key) }} as {{ key }},
        {{ json_kind('element', key) }} as {{ key }}_kind,
        {%- endfor %}
        {{ json_kind('element') }} as json_kind,
        {{ json_key_count('element') }} as key_count
    from exploded

)
{%- endmacro %}
