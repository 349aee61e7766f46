{# An amount held between 0 and the amount of a commitment. kind: the macro of the decimals, money or quantity. #}
{% macro clamp(amount, most, kind=money) -%}
    least(greatest({{ amount }}, {{ kind(0) }}), {{ kind(most) }})
{%- endmacro %}

{#
    What is applied of a commitment to a charge. In all, a commitment has applied the sum of what was asked, held
    between 0 and its amount. So a negative charge first cancels what went beyond the amount, and then gives back.
    so_far: what was asked in all, this charge included. kind: the macro of the decimals, money or quantity.
#}
{% macro applied_of(so_far, of_the_charge, most, kind) -%}
    {{ money(clamp(so_far, most, kind) ~ ' - ' ~ clamp(so_far ~ ' - ' ~ of_the_charge, most, kind)) }}
{%- endmacro %}

{#
    How many prepaid credits an account has at most: the steps of the waterfall. On Spark the query contains each step,
    so they are counted while it compiles. DuckDB repeats one step until no usage is left, and runs no query here.
#}
{% macro most_credits_of_an_account(terms) -%}
    {{ return(adapter.dispatch('most_credits_of_an_account')(terms)) }}
{%- endmacro %}

{% macro duckdb__most_credits_of_an_account(terms) -%}{{ return(none) }}{%- endmacro %}

{% macro spark__most_credits_of_an_account(terms) -%}
    {%- if not execute or load_relation(terms) is none -%}{{ return(0) }}{%- endif -%}
    {%- set counts = run_query(
        'select count(*) as credits from ' ~ terms ~ " where payment = 'prepaid' group by account"
    ).columns[0].values() -%}
    {{ return(counts | map('int') | max | default(0, true)) }}
{%- endmacro %}

{# whether a text matches a pattern in which * stands for any characters #}
{% macro matches_glob(text, pattern) -%}
    {{ text }} like replace(replace(replace(replace({{ pattern }}, '!', '!!'), '_', '!_'), '%', '!%'), '*', '%') escape '!'
{%- endmacro %}

{# the days from a date until before another, one row each: a set-returning expression #}
{% macro each_day(first_day, end_day) -%}{{ return(adapter.dispatch('each_day')(first_day, end_day)) }}{%- endmacro %}

{% macro duckdb__each_day(first_day, end_day) -%}
    cast(unnest(generate_series({{ first_day }}, {{ end_day }} - 1, interval 1 day)) as date)
{%- endmacro %}

{% macro spark__each_day(first_day, end_day) -%}
    explode(case when {{ first_day }} < {{ end_day }} then sequence({{ first_day }}, {{ end_day }} - 1, interval 1 day) end)
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

{# elements as the JSON object that FOCUS wants in ContractApplied; null for null #}
{% macro contract_applied(elements) -%}
    '{"Elements":[' || {{ elements }} || ']}'
{%- endmacro %}
