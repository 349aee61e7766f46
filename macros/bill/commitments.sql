{# An amount held between 0 and the amount of a commitment. kind: the macro of the decimals, money or quantity. #}
{% macro clamp(amount, most, kind=money) -%}
    least(greatest({{ amount }}, {{ kind(0) }}), {{ kind(most) }})
{%- endmacro %}

{#
    What a charge adds to a commitment, whose total stays between 0 and its amount. A negative charge first cancels
    usage beyond the amount and then gives back. so_far: the sum of the usage in its scope, this charge included.
    kind: the macro of the decimals, money or quantity.
#}
{% macro applied_of(so_far, of_the_charge, most, kind) -%}
    {{ money(clamp(so_far, most, kind) ~ ' - ' ~ clamp(so_far ~ ' - ' ~ of_the_charge, most, kind)) }}
{%- endmacro %}

{#
    The greatest number of prepaid credits of an account: the steps of the waterfall on Spark. None on DuckDB, where a
    step repeats until no usage remains.
#}
{% macro most_credits_of_an_account(terms) -%}
    {{ return(adapter.dispatch('most_credits_of_an_account')(terms)) }}
{%- endmacro %}

{% macro duckdb__most_credits_of_an_account(terms) -%}{{ return(none) }}{%- endmacro %}

{# Query while compiling: a recursive query has no window function on Spark, so the text of the query has each step. #}
{% macro spark__most_credits_of_an_account(terms) -%}
    {%- if not execute or load_relation(terms) is none -%}{{ return(0) }}{%- endif -%}
    {%- set counts = run_query(
        'select count(*) as credits from ' ~ terms ~ " where payment = 'prepaid' group by account"
    ).columns[0].values() -%}
    {{ return(counts | map('int') | max | default(0, true)) }}
{%- endmacro %}

{# Whether a commitment is active on a UTC day. terms: the name of a relation with drawn_from and end_day. #}
{% macro is_active_on(date, terms) -%}
    {{ date }} >= {{ terms }}.drawn_from and {{ date }} < {{ terms }}.end_day
{%- endmacro %}

{# whether a text matches a pattern in which * stands for any characters #}
{% macro matches_glob(text, pattern) -%}
    {{ text }} like replace(replace(replace(replace({{ pattern }}, '!', '!!'), '_', '!_'), '%', '!%'), '*', '%')
    escape '!'
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

{# The elements of a group, with commas, in byte order of the commitment so that the text is always the same. #}
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

{# elements as the JSON object that FOCUS requires in ContractApplied; null for null #}
{% macro contract_applied(elements) -%}
    '{"Elements":[' || {{ elements }} || ']}'
{%- endmacro %}
