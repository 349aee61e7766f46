{#
    A macro for each shape of rule, named focus_shape_ and the shape in seeds/focus_rules. It returns the verdict of a
    rule on a row. rule: a dict of focus_rules_in_scan. scanned: the types of the columns of the mart, the relation
    with the rows, and the condition of rows from a file of the provider. The shapes present, type and column_name are
    in conformance_of_columns.
#}

{# The verdict on a condition. It is null if the rule does not apply to the row, and false if the condition is null. #}
{% macro focus_verdict(rule, condition, applies=none) -%}
    case when ({{ rule.applies_when }}){{ ' and ' ~ applies if applies }} then coalesce({{ condition }}, false) end
{%- endmacro %}

{# The verdict on a condition on the value of the column. A null value is not checked. #}
{% macro focus_verdict_on_value(rule, condition) -%}
    {{ focus_verdict(rule, condition, rule.column ~ ' is not null') }}
{%- endmacro %}

{# The verdict on the values of several columns. kind: of values.sql, unless the rule has an argument. #}
{% macro focus_verdict_on_columns(rule, scanned, kind) -%}
    {%- set is_kind = context['focus_value_is_' ~ (rule.arguments[0] or kind)] -%}
    {%- set texts, conditions = [], [] -%}
    {%- for column in rule.each_column -%}
        {%- do texts.append('cast(' ~ column ~ ' as ' ~ dbt.type_string() ~ ')') -%}
        {%- do conditions.append('(' ~ column ~ ' is null or ' ~ is_kind(column, scanned.types) ~ ')') -%}
    {%- endfor -%}
    {{ focus_verdict(rule, conditions | join(' and '), 'coalesce(' ~ texts | join(', ') ~ ', null) is not null') }}
{%- endmacro %}

{# The verdict on a condition on a key of an element. A null or absent value is not checked. #}
{% macro focus_verdict_on_key(rule, condition) -%}
    {{ focus_verdict(rule, condition, 'coalesce(' ~ rule.arguments[0] ~ "_kind, 'null') <> 'null'") }}
{%- endmacro %}

{# ---- the column #}

{% macro focus_shape_not_null(rule, scanned) -%} {{ focus_verdict(rule, rule.column ~ ' is not null') }} {%- endmacro %}

{% macro focus_shape_is_null(rule, scanned) -%} {{ focus_verdict(rule, rule.column ~ ' is null') }} {%- endmacro %}

{# The argument is an SQL condition over the row. #}
{% macro focus_shape_holds(rule, scanned) -%} {{ focus_verdict(rule, rule.arguments | join('|')) }} {%- endmacro %}

{# ---- the value of the column #}

{% macro focus_shape_equals(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, rule.column ~ ' = ' ~ rule.arguments[0]) }}
{%- endmacro %}

{% macro focus_shape_at_least_zero(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, rule.column ~ ' >= 0') }}
{%- endmacro %}

{# The arguments are the smallest and the greatest value. #}
{% macro focus_shape_between(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, rule.column ~ ' between ' ~ rule.arguments | join(' and ')) }}
{%- endmacro %}

{% macro focus_shape_other_than(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, rule.column ~ ' <> ' ~ sql_text(rule.arguments[0])) }}
{%- endmacro %}

{% macro focus_shape_allowed_values(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, is_one_of(rule.column, rule.arguments)) }}
{%- endmacro %}

{# The arguments are the columns that are unique together; without any, the column alone. #}
{% macro focus_shape_unique(rule, scanned) -%}
    {%- set columns = rule.arguments if rule.arguments[0] else [rule.column] -%}
    {{ focus_verdict_on_value(rule, 'count(*) over (partition by ' ~ columns | join(', ') ~ ') = 1') }}
{%- endmacro %}

{% macro focus_shape_service_subcategory(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, is_in_column(
        rule.column, ref('focus_service_subcategories'), 'service_subcategory'
    )) }}
{%- endmacro %}

{% macro focus_shape_service_pair(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, is_in_column(
        "ServiceCategory || '|' || ServiceSubcategory",
        ref('focus_service_subcategories'),
        "service_category || '|' || service_subcategory",
    )) }}
{%- endmacro %}

{% macro focus_shape_text_format(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, focus_value_is_text(rule.column)) }}
{%- endmacro %}

{% macro focus_shape_number_format(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, focus_value_is_number(rule.column, scanned.types)) }}
{%- endmacro %}

{% macro focus_shape_time_format(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, focus_value_is_time(rule.column, scanned.types)) }}
{%- endmacro %}

{% macro focus_shape_unit_format(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, focus_value_is_unit(rule.column)) }}
{%- endmacro %}

{% macro focus_shape_currency_format(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, focus_value_is_currency(rule.column)) }}
{%- endmacro %}

{% macro focus_shape_national_currency(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, focus_value_is_currency(rule.column)) }}
{%- endmacro %}

{% macro focus_shape_key_value_format(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, focus_value_is_key_value(rule.column)) }}
{%- endmacro %}

{% macro focus_shape_json_object_format(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, focus_value_is_json_object(rule.column)) }}
{%- endmacro %}

{# The argument is the key of the list. #}
{% macro focus_shape_has_list(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, json_has_list(rule.column, rule.arguments[0])) }}
{%- endmacro %}

{# The argument is the key of the list. #}
{% macro focus_shape_has_items(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, array_length(json_items(rule.column, rule.arguments[0])) ~ ' > 0') }}
{%- endmacro %}

{% macro focus_shape_known_keys(rule, scanned) -%}
    {{ focus_verdict_on_value(rule, json_keys_are_known(rule.column, rule.arguments)) }}
{%- endmacro %}

{# ---- several columns #}

{#
    The arguments are a mart of FOCUS 1.4 and the columns of its key. A column of the row with another name than that
    of the mart is a pair: column = name in the mart.
#}
{% macro focus_shape_references(rule, scanned) -%}
    {%- set here, there = [], [] -%}
    {%- for column in rule.arguments[1:] -%}
        {%- do here.append(column.split(' = ')[0]) -%}
        {%- do there.append(column.split(' = ')[-1]) -%}
    {%- endfor -%}
    {{ focus_verdict_on_value(rule, is_in_column(
        here | join(" || '|' || "), ref('focus_1_4__' ~ rule.arguments[0]), there | join(" || '|' || ")
    )) }}
{%- endmacro %}

{# The argument is the product: price * quantity. #}
{% macro focus_shape_product(rule, scanned) -%}
    {{ focus_verdict(rule, rule.column ~ ' = ' ~ money(rule.arguments | join(' * '))) }}
{%- endmacro %}

{# Each argument is a pair: unit price = cost. The column is the quantity. #}
{% macro focus_shape_products(rule, scanned) -%}
    {%- set conditions = [] -%}
    {%- for pair in rule.arguments -%}
        {%- set price, cost = pair.split(' = ') -%}
        {%- do conditions.append(
            '(' ~ price ~ ' is null or ' ~ cost ~ ' = ' ~ money(price ~ ' * ' ~ rule.column) ~ ')'
        ) -%}
    {%- endfor -%}
    {{ focus_verdict(rule, conditions | join(' and ')) }}
{%- endmacro %}

{#
    The arguments are a key and its parent. A row of our own is compared only with rows of our own: a file of the
    provider cannot make our rows break the rule.
#}
{% macro focus_shape_one_parent(rule, scanned) -%}
    {%- set key, parent = rule.arguments -%}
    {%- set condition -%}
    case
        when {{ scanned.is_provider_row }} then {{ has_one_value(parent, key, scanned.relation, 'true') }}
        else {{ has_one_value(parent, key, scanned.relation, 'not (' ~ scanned.is_provider_row ~ ')') }}
    end
    {%- endset -%}
    {{ focus_verdict(rule, condition, key ~ ' is not null') }}
{%- endmacro %}

{% macro focus_shape_every_text(rule, scanned) -%} {{ focus_verdict_on_columns(rule, scanned, 'text') }} {%- endmacro %}

{% macro focus_shape_every_number(rule, scanned) -%}
    {{ focus_verdict_on_columns(rule, scanned, 'number') }}
{%- endmacro %}

{% macro focus_shape_every_time(rule, scanned) -%} {{ focus_verdict_on_columns(rule, scanned, 'time') }} {%- endmacro %}

{% macro focus_shape_every_currency(rule, scanned) -%}
    {{ focus_verdict_on_columns(rule, scanned, 'currency') }}
{%- endmacro %}

{% macro focus_shape_every_unit(rule, scanned) -%} {{ focus_verdict_on_columns(rule, scanned, 'unit') }} {%- endmacro %}

{% macro focus_shape_every_key_value(rule, scanned) -%}
    {{ focus_verdict_on_columns(rule, scanned, 'key_value') }}
{%- endmacro %}

{% macro focus_shape_every_json_object(rule, scanned) -%}
    {{ focus_verdict_on_columns(rule, scanned, 'json_object') }}
{%- endmacro %}
