{# an amount held between 0 and what a commitment has to give; kind: the macro of its decimals, money or quantity #}
{% macro clamp(amount, most, kind=money) -%}
    least(greatest({{ amount }}, {{ kind(0) }}), {{ kind(most) }})
{%- endmacro %}

{#
    How far a charge moves a commitment's own count, up to its amount: what the block counts before the charge and with
    it, after what was counted before the block. kind: the macro of the decimals counted in, money or quantity.
#}
{% macro counted_up_to(before, so_far, of_the_charge, most, kind) -%}
    {{ money(
        clamp(before ~ ' + ' ~ so_far, most, kind) ~ ' - '
        ~ clamp(before ~ ' + ' ~ so_far ~ ' - ' ~ of_the_charge, most, kind)
    ) }}
{%- endmacro %}

{# what a step's commitment pays of an amount asked of it, after what was asked before the block; 0 if it has none #}
{% macro drawn_in_step(step, asked) -%}
    case
        when commitment_{{ step }} is null then {{ money(0) }}
        else {{ clamp('before_' ~ step ~ ' + ' ~ asked, 'amount_' ~ step) }}
            - {{ clamp('before_' ~ step, 'amount_' ~ step) }}
    end
{%- endmacro %}

{# whether a text matches a pattern in which * stands for any characters #}
{% macro matches_glob(text, pattern) -%}
    {{ text }} like replace(replace(replace(replace({{ pattern }}, '!', '!!'), '_', '!_'), '%', '!%'), '*', '%')
    escape '!'
{%- endmacro %}

{#
    How many prepaid commitments an account has at most: an integer, at least 1. The waterfall takes as many steps, each
    for all accounts and days at once.

    Query while compiling: the columns of the waterfall depend on this number.
#}
{% macro prepaid_steps(terms) %}
    {% if not execute or load_relation(terms) is none %}{{ return(1) }}{% endif %}
    {% set most = run_query('select max(prepaid_rank) as most from ' ~ terms).columns[0].values()[0] %}
    {{ return([most or 1, 1] | max | int) }}
{% endmacro %}

{# the columns that a step of the waterfall leaves on a block, for every step; relation: what they are selected from #}
{% macro prepaid_step_columns(steps, relation) -%}
    {%- for step in range(1, steps + 1) %}
        {%- for column in ['commitment', 'amount', 'before'] %}
        {{ relation }}.{{ column }}_{{ step }}{{ ',' if not (loop.last and step == steps) }}
        {%- endfor %}
    {%- endfor -%}
{%- endmacro %}

{# rows of a list of structs, one row each; elements: list of dicts, name to SQL, all with the same names #}
{% macro unnest_structs(elements) -%}{{ return(adapter.dispatch('unnest_structs')(elements)) }}{%- endmacro %}

{% macro duckdb__unnest_structs(elements) -%}
    unnest([
        {%- for element in elements %}
        {{ struct(element) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ])
{%- endmacro %}

{% macro spark__unnest_structs(elements) -%}
    explode(array(
        {%- for element in elements %}
        {{ struct(element) }}{{ ',' if not loop.last }}
        {%- endfor %}
    ))
{%- endmacro %}

{# the days from a date until before another, one row each: a set-returning expression #}
{% macro each_day(first_day, end_day) -%}{{ return(adapter.dispatch('each_day')(first_day, end_day)) }}{%- endmacro %}

{% macro duckdb__each_day(first_day, end_day) -%}
    cast(unnest(generate_series({{ first_day }}, {{ end_day }} - 1, interval 1 day)) as date)
{%- endmacro %}

{% macro spark__each_day(first_day, end_day) -%}
    explode(
        case when {{ first_day }} < {{ end_day }} then sequence({{ first_day }}, {{ end_day }} - 1, interval 1 day) end
    )
{%- endmacro %}

{# one element of ContractApplied as JSON text: numbers as plain decimals, texts as JSON strings #}
{% macro contract_applied_element(contract_id, contract_commitment_id, cost, quantity, unit) -%}
    '{"ContractId":' || {{ json_text(contract_id) }}
    || ',"ContractCommitmentId":' || {{ json_text(contract_commitment_id) }}
    || ',"ContractCommitmentAppliedCost":' || {{ plain_decimal(cost) }}
    || ',"ContractCommitmentAppliedQuantity":' || {{ plain_decimal(quantity) }}
    || ',"ContractCommitmentAppliedUnit":' || {{ json_text(unit) }} || '}'
{%- endmacro %}

{# the elements of a group with a comma between them, in byte order of the commitment: the same text each time #}
{% macro contract_applied_elements_agg(contract_id, contract_commitment_id, cost, quantity, unit) -%}
    {{ return(adapter.dispatch('contract_applied_elements_agg')(
        contract_applied_element(contract_id, contract_commitment_id, cost, quantity, unit), contract_commitment_id
    )) }}
{%- endmacro %}

{% macro duckdb__contract_applied_elements_agg(element, contract_commitment_id) -%}
    string_agg({{ element }}, ',' order by {{ contract_commitment_id }})
{%- endmacro %}

{% macro spark__contract_applied_elements_agg(element, contract_commitment_id) -%}
    listagg({{ element }}, ',') within group (order by {{ contract_commitment_id }})
{%- endmacro %}

{# elements as the JSON object that FOCUS wants in ContractApplied; null for null #}
{% macro contract_applied(elements) -%}
    '{"Elements":[' || {{ elements }} || ']}'
{%- endmacro %}
