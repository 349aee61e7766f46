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

{# The first argument is the key, the others are its allowed values. #}
{% macro focus_shape_key_one_of(rule, scanned) -%}
    {%- set key = rule.arguments[0] -%}
    {{ focus_verdict_on_key(rule, key ~ "_kind = 'string' and " ~ is_one_of(key, rule.arguments[1:])) }}
{%- endmacro %}

{# The arguments are the key, and the smallest and the greatest value. #}
{% macro focus_shape_key_between(rule, scanned) -%}
    {%- set key, least, greatest = rule.arguments -%}
    {{ focus_verdict_on_key(
        rule, key ~ "_kind = 'number' and " ~ try_decimal(key, 18) ~ ' between ' ~ least ~ ' and ' ~ greatest
    ) }}
{%- endmacro %}

{# The first argument is the key. Its value is an object whose keys are the other arguments. #}
{% macro focus_shape_key_only_keys(rule, scanned) -%}
    {%- set key = rule.arguments[0] -%}
    {%- set known = rule.arguments[1:] | join('|') -%}
    {{ focus_verdict_on_key(rule, key ~ "_kind = 'object' and " ~ json_keys_match(key, known)) }}
{%- endmacro %}
