{#
    The rules of FOCUS, from seeds/focus_rules, as SQL: a rule has a shape, and a shape is a few lines here. The verdict of a
    rule on a row is true (kept), false (broken) or null (the rule does not speak of this row).
#}

{# active rules that are checked in a scan, as dicts of the seed's columns; none before the seeds are there #}
{% macro focus_rules_of(scan, shapes=none) %}
    {% if not execute %}{{ return([]) }}{% endif %}
    {% set seed = ref('focus_rules') %}
    {% if not load_relation(seed) %}{{ return([]) }}{% endif %}
    {% set query %}
        select rule_id, column_id, shape, applies_when, arguments
        from {{ seed }}
        where
            '|' || scan || '|' like '%|{{ scan }}|%'
            {%- if shapes %} and shape in ({% for s in shapes %}'{{ s }}'{{ ', ' if not loop.last }}{% endfor %}){% endif %}
        order by rule_id
    {% endset %}
    {% set rules = [] %}
    {% for row in run_query(query).rows %}
        {% do rules.append({
            'rule_id': row[0],
            'verdict': row[0] | lower | replace('-', '_'),
            'column': row[1],
            'shape': row[2],
            'applies_when': row[3] or 'true',
            'arguments': (row[4] or '').split('|'),
        }) %}
    {% endfor %}
    {{ return(rules) }}
{% endmacro %}

{# columns of a dataset by the kind of value they hold, from seeds/focus_columns #}
{% macro focus_columns_by_kind(dataset) %}
    {% set kinds = {'text': [], 'required_text': [], 'number': [], 'time': [], 'currency': [], 'key_value': [], 'json_object': [], 'unit': []} %}
    {% if not execute or not load_relation(ref('focus_columns')) %}{{ return(kinds) }}{% endif %}
    {% set query %}
        select column_id, data_type, value_format, allows_nulls
        from {{ ref('focus_columns') }}
        where dataset = '{{ dataset }}'
        order by {{ adapter.quote('position') }}
    {% endset %}
    {% for column, type, format, allows_nulls in run_query(query).rows %}
        {% set format = format or '' %}
        {% if type == 'String' %}{% do kinds.text.append(column) %}{% endif %}
        {% if type == 'String' and not allows_nulls %}{% do kinds.required_text.append(column) %}{% endif %}
        {% if type == 'Decimal' %}{% do kinds.number.append(column) %}{% endif %}
        {% if type == 'Date/Time' %}{% do kinds.time.append(column) %}{% endif %}
        {% if format == 'Currency Format' or column == 'PricingCurrency' %}{% do kinds.currency.append(column) %}{% endif %}
        {% if format == 'Key-Value Format' %}{% do kinds.key_value.append(column) %}{% endif %}
        {% if format == 'JSON Object Format' %}{% do kinds.json_object.append(column) %}{% endif %}
        {% if format.startswith('Unit Format') %}{% do kinds.unit.append(column) %}{% endif %}
    {% endfor %}
    {{ return(kinds) }}
{% endmacro %}

{#
    What the shapes need to know beside the rule: columns by kind of value, the types that they have in the mart, the pairs of
    service category and subcategory, whether a row is a provider's (an SQL condition), and the relation that has the rows.
#}
{% macro focus_rule_context(dataset, is_provider_row, mart, relation) %}
    {% set pairs = [] %}
    {% set types = {} %}
    {% for column in (adapter.get_columns_in_relation(mart) if execute and load_relation(mart) else []) %}
        {% do types.update({column.name: column.dtype | lower}) %}
    {% endfor %}
    {% if execute and load_relation(ref('focus_service_subcategories')) %}
        {% set query %}
            select service_category, service_subcategory
            from {{ ref('focus_service_subcategories') }}
            order by service_category, service_subcategory
        {% endset %}
        {% for category, subcategory in run_query(query).rows %}
            {% do pairs.append((category, subcategory)) %}
        {% endfor %}
    {% endif %}
    {{ return({'kinds': focus_columns_by_kind(dataset), 'types': types, 'pairs': pairs, 'is_provider_row': is_provider_row, 'relation': relation}) }}
{% endmacro %}

{# the verdict of a rule on a row: true, false or null #}
{% macro focus_rule_verdict(rule, context) -%}
    {%- set column = rule.column -%}
    {%- set arguments = rule.arguments -%}
    {%- set shape = rule.shape -%}
    {%- set key = arguments[0] -%}
    {#- shapes that look at a value: where there is none they have nothing to say -#}
    {%- set of_a_value = [
        'allowed_values', 'other_than', 'equals', 'at_least_zero', 'text_format', 'number_format', 'time_format', 'unit_format',
        'currency_format', 'national_currency', 'key_value_format', 'json_object_format', 'known_keys', 'has_elements',
        'service_subcategory', 'service_pair', 'unique',
    ] -%}
    {%- set of_a_key = ['key_text', 'key_number', 'key_text_format', 'key_number_format', 'key_unit_format'] -%}
    {%- set speaks = '(' ~ rule.applies_when ~ ')' -%}
    {%- if shape in of_a_value -%}
        {%- set speaks = speaks ~ ' and ' ~ column ~ ' is not null' -%}
    {%- elif shape == 'one_parent' -%}
        {%- set speaks = speaks ~ ' and ' ~ key ~ ' is not null' -%}
    {%- elif shape in of_a_key -%}
        {%- set speaks = speaks ~ ' and coalesce(' ~ key ~ "_kind, 'null') <> 'null'" -%}
    {%- elif shape.startswith('every_') -%}
        {%- set kind = 'required_text' if arguments == ['not_blank'] else shape.replace('every_', '') -%}
        {%- set columns = context.kinds[kind] -%}
        {%- set speaks = speaks ~ ' and coalesce(' ~ focus_columns_as_text(columns) ~ ') is not null' -%}
    {%- endif -%}
    case when {{ speaks }} then coalesce(
        {%- if shape == 'not_null' %} {{ column }} is not null
        {%- elif shape == 'is_null' %} {{ column }} is null
        {%- elif shape == 'holds' %} {{ arguments | join('|') }}
        {%- elif shape == 'equals' %} {{ column }} = {{ key }}
        {%- elif shape == 'at_least_zero' %} {{ column }} >= 0
        {%- elif shape == 'other_than' %} {{ column }} <> {{ sql_text(key) }}
        {%- elif shape == 'allowed_values' %} {{ is_one_of(column, arguments) }}
        {%- elif shape == 'service_subcategory' %} {{ is_one_of(column, context.pairs | map('last')) }}
        {%- elif shape == 'service_pair' %} {{ is_one_of("ServiceCategory || '|' || ServiceSubcategory", context.pairs | map('join', '|')) }}
        {%- elif shape == 'product' %} {{ column }} = {{ money(arguments | join(' * ')) }}
        {%- elif shape == 'products' -%}
            {%- for pair in arguments %}
            {%- set price, cost = pair.split(' = ') %}
            {{ 'and ' if not loop.first }}({{ price }} is null or {{ cost }} = {{ money(price ~ ' * ' ~ column) }})
            {%- endfor %}
        {%- elif shape == 'one_parent' %} {{ focus_has_one_parent(key, arguments[1], context) }}
        {%- elif shape == 'unique' %} count(*) over (partition by {{ column }}) = 1
        {%- elif shape in ['text_format', 'number_format', 'time_format', 'unit_format', 'currency_format', 'key_value_format', 'json_object_format'] %}
            {{- ' ' ~ focus_value_is(shape.replace('_format', ''), column, context.types) }}
        {%- elif shape == 'national_currency' %} {{ focus_value_is('currency', column) }}
        {%- elif shape.startswith('every_') -%}
            {%- for each in columns %}
            {{ 'and ' if not loop.first }}({{ each }} is null or {{ focus_value_is(key or kind, each, context.types) }})
            {%- endfor %}
        {%- elif shape == 'has_elements' %} {{ json_has_list(column, 'Elements') }}
        {%- elif shape == 'known_keys' %} {{ json_keys_are_known(column, arguments) }}
        {%- elif shape == 'key_exists' %} {{ key }}_kind is not null
        {%- elif shape == 'keys_exist' -%}
            {%- for each in arguments %} {{ 'and ' if not loop.first }}{{ each }}_kind is not null{% endfor %}
        {%- elif shape == 'key_not_null' %} coalesce({{ key }}_kind, 'null') <> 'null'
        {%- elif shape == 'key_null' %} coalesce({{ key }}_kind, 'null') = 'null'
        {%- elif shape == 'key_text' %} {{ key }}_kind = 'string'
        {%- elif shape == 'key_number' %} {{ key }}_kind = 'number'
        {%- elif shape == 'key_text_format' %} {{ focus_value_is('text', key) }}
        {%- elif shape == 'key_number_format' %} {{ is_number(key) }}
        {%- elif shape == 'key_unit_format' %} {{ focus_value_is('unit', key) }}
        {%- elif shape == 'flat_element' %} {{ focus_value_is('key_value', 'element') }}
        {%- elif shape == 'known_element_keys' %} {{ json_keys_are_known('element', arguments) }}
        {%- elif shape == 'pascal_keys' %} {{ json_keys_match('element', '(x_)?[A-Z][A-Za-z0-9]*') }}
        {%- else -%}
            {{ exceptions.raise_compiler_error('seeds/focus_rules: ' ~ rule.rule_id ~ ' has the unknown shape ' ~ shape) }}
        {%- endif -%}
    , false) end
{%- endmacro %}

{#
    Whether a value that is there looks as FOCUS wants its kind to look. A number or a time has one way to be written, if the
    column holds decimals or times: types tells.
#}
{% macro focus_value_is(kind, value, types={}) -%}
    {%- if kind in ['text', 'not_blank'] -%} trim({{ value }}) <> ''
    {%- elif kind == 'no_placeholder' -%}
        not {{ is_one_of('lower(trim(' ~ value ~ '))', ['', 'null', 'none', 'nan', 'n/a', 'not applicable', 'undefined']) }}
    {%- elif kind == 'number' -%} {{ types.get(value, '').startswith('decimal') | lower }}
    {%- elif kind == 'time' -%} {{ types.get(value, '').startswith('timestamp') | lower }}
    {%- elif kind == 'currency' -%} {{ is_one_of(value, iso_4217_codes()) }}
    {%- elif kind == 'unit' -%} {{ matches(value, '([0-9]+ )?[A-Z][A-Za-z]*( [A-Z][A-Za-z]*)*(-[A-Z][A-Za-z]*|/([0-9]+ )?[A-Z][A-Za-z]*)?') }}
    {%- elif kind == 'whole_count' -%} not {{ matches(value, '.*[0-9][.,][0-9].*') }}
    {%- elif kind in ['object', 'json_object'] -%} {{ is_json_object(value) }}
    {%- elif kind == 'key_value' -%} {{ is_json_object(value) }} and {{ json_values_are_scalar(value) }}
    {%- elif kind == 'flat' -%} {{ json_values_are_scalar(value) }}
    {%- elif kind == 'unique_keys' -%} {{ json_keys_differ(value) }}
    {%- elif kind == 'items_of_one_type' -%} {{ json_items_are_of_one_type(value, 'Elements') }}
    {%- elif kind == 'items_differ' -%} {{ json_items_differ(value, 'Elements') }}
    {%- elif kind == 'items_not_null' -%} {{ json_items_are_not_null(value, 'Elements') }}
    {%- else -%} {{ exceptions.raise_compiler_error('no such kind of value: ' ~ kind) }}
    {%- endif -%}
{%- endmacro %}

{#
    Whether the rows with this key all have one and the same parent. A row that we make is compared with rows that we make:
    what a provider's file says does not put ours in the wrong.
#}
{% macro focus_has_one_parent(key, parent, context) -%}
    case
        when {{ context.is_provider_row }} then {{ has_one_value(parent, key, context.relation, 'true') }}
        else {{ has_one_value(parent, key, context.relation, 'not (' ~ context.is_provider_row ~ ')') }}
    end
{%- endmacro %}

{% macro focus_columns_as_text(columns) -%}
    {%- for column in columns -%} cast({{ column }} as {{ dbt.type_string() }}), {% endfor -%} null
{%- endmacro %}

{#
    What each rule of a scan found in a relation, which has the rows of a mart: rule_id, rows_checked, violations (rows that we make), findings (rows of a
    provider's file), example_row. One pass over the rows.
    is_provider_row, row_id: SQL over the relation's columns. ours_too: for a column that we may fill in a provider's row, by
    its name, whether we did.
#}
{% macro focus_rule_tallies(scan, dataset, mart, relation, row_id, is_provider_row, ours_too={}) %}
    {%- set rules = focus_rules_of(scan) -%}
    {%- set context = focus_rule_context(dataset, is_provider_row, mart, relation) -%}
    {%- if not rules -%}
    select
        cast(null as {{ dbt.type_string() }}) as rule_id,
        cast(null as bigint) as rows_checked,
        cast(null as bigint) as violations,
        cast(null as bigint) as findings,
        cast(null as {{ dbt.type_string() }}) as example_row
    from {{ relation }}
    where false
    {%- else -%}
    {{ rows_of_columns(
        rules,
        focus_rule_counts(rules, context, relation, row_id, is_provider_row, ours_too),
        ['rows_checked', 'violations', 'findings', 'example_row'],
    ) }}
    {%- endif -%}
{% endmacro %}

{# one row: four columns for each rule, named for its verdict #}
{% macro focus_rule_counts(rules, context, relation, row_id, is_provider_row, ours_too) %}
    select
        {%- for rule in rules %}
        {%- set verdict = rule.verdict %}
        {%- set is_theirs = 'is_provider_row' ~ (' and not is_our_' ~ rule.column if rule.column in ours_too) %}
        count({{ verdict }}) as {{ verdict }}_rows_checked,
        count(case when not {{ verdict }} and not ({{ is_theirs }}) then 1 end) as {{ verdict }}_violations,
        count(case when not {{ verdict }} and {{ is_theirs }} then 1 end) as {{ verdict }}_findings,
        -- a row of ours is the better example
        coalesce(
            min(case when not {{ verdict }} and not ({{ is_theirs }}) then row_id end),
            min(case when not {{ verdict }} then row_id end)
        ) as {{ verdict }}_example_row{{ ',' if not loop.last }}
        {%- endfor %}
    from ({{ focus_rule_verdicts(rules, context, relation, row_id, is_provider_row, ours_too) }}) as verdicts
{% endmacro %}

{# a row per row of the relation: row_id, is_provider_row, and the verdict of each rule #}
{% macro focus_rule_verdicts(rules, context, relation, row_id, is_provider_row, ours_too={}) %}
    select
        {{ row_id }} as row_id,
        {{ is_provider_row }} as is_provider_row,
        {%- for column, is_ours in ours_too.items() %}
        {{ is_ours }} as is_our_{{ column }},
        {%- endfor %}
        {%- for rule in rules %}
        {{ focus_rule_verdict(rule, context) }} as {{ rule.verdict }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ relation }}
{% endmacro %}

{# a row per rule from one row that has columns for all of them #}
{% macro rows_of_columns(rules, wide, measures) -%}{{ return(adapter.dispatch('rows_of_columns')(rules, wide, measures)) }}{%- endmacro %}

{% macro duckdb__rows_of_columns(rules, wide, measures) %}
    select
        tally.rule_id,
        {%- for measure in measures %}
        tally.{{ measure }}{{ ',' if not loop.last }}
        {%- endfor %}
    from (
        select unnest([
            {%- for rule in rules %}
            {'rule_id': {{ sql_text(rule.rule_id) }}
            {%- for measure in measures %}, '{{ measure }}': {{ rule.verdict }}_{{ measure }}{% endfor -%}
            }{{ ',' if not loop.last }}
            {%- endfor %}
        ]) as tally
        from ({{ wide }}) as counts
    ) as tallies
{% endmacro %}

{% macro spark__rows_of_columns(rules, wide, measures) %}
    select inline(array(
        {%- for rule in rules %}
        named_struct('rule_id', {{ sql_text(rule.rule_id) }}
        {%- for measure in measures %}, '{{ measure }}', {{ rule.verdict }}_{{ measure }}{% endfor -%}
        ){{ ',' if not loop.last }}
        {%- endfor %}
    ))
    from ({{ wide }}) as counts
{% endmacro %}

{# codes of national currencies in use, ISO 4217 #}
{% macro iso_4217_codes() %}
    {{ return((
        'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CLP '
        'CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD HKD HNL HTG HUF '
        'IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD LSL LYD MAD MDL MGA MKD '
        'MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR PLN PYG QAR RON RSD RUB '
        'RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY TTD TWD TZS UAH UGX USD '
        'UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG'
    ).split(' ')) }}
{% endmacro %}

{#
    Two CTEs: lists, and elements, a row per item of the list Elements in a charge's JSON columns. For each key of FOCUS
    there is its text and what it is (Key_kind: string, number, null ..., null where the key is not there).
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
