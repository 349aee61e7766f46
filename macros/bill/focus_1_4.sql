{# What FOCUS 1.4 has beyond the columns of 1.3. #}

{#
    ContractApplied of a row in the form of FOCUS 1.4: an element has the cost, or the quantity and its unit. Elements
    of this project have all three. Of those in the currency of fal's bills the cost remains, of others the quantity. A
    provider's own ContractApplied stays as it is.
#}
{% macro contract_applied_1_4() -%}
    case
        when
            x_ChargeSource not in ('invoice', 'estimate')
            or x_Repairs like '%"ContractApplied"%'
            then {{ replace_each(
                replace_each(
                    'ContractApplied',
                    ',"ContractCommitmentAppliedQuantity":[-.0-9]+,"ContractCommitmentAppliedUnit":"USD"[}]',
                    '}'
                ),
                '"ContractCommitmentAppliedCost":[-.0-9]+,"ContractCommitmentAppliedQuantity"',
                '"ContractCommitmentAppliedQuantity"'
            ) }}
        else ContractApplied
    end
{%- endmacro %}

{# The value of a column that FOCUS 1.3 does not have, from the other columns of a FOCUS CSV. Null if it is absent. #}
{% macro provider_column(name) -%}
    case when x_ProviderColumns like '%"{{ name }}"%' then {{ json_member_text('x_ProviderColumns', name) }} end
{%- endmacro %}

{#
    What a line of an invoice stands for, as a JSON object with the keys of InvoiceDetailGrain that have a value. Null
    without any. FOCUS defines the keys without x_.
#}
{% macro invoice_detail_grain() -%}
    {%- set keys = {
        'SkuId': 'SkuId', 'SubAccountId': 'SubAccountId', 'x_ChargeClass': 'ChargeClass',
        'x_ReferenceInvoiceId': 'x_ReferenceInvoiceId',
    } -%}
    nullif('{' || concat_ws(
        ','
        {%- for key, column in keys.items() %},
        '"{{ key }}":' || {{ json_text(column) }}
        {%- endfor %}
    ) || '}', '{}')
{%- endmacro %}

{#
    The BillingAccountId that a provider's row states, null if it comes from seeds/fal_accounts. An edit of the seed
    must not change the id of a line.
#}
{% macro stated_billing_account_id() -%}
    case when not {{ is_added_to_row('BillingAccountId') }} then BillingAccountId end
{%- endmacro %}

{#
    Id of the invoice line of a row, null without an invoice. It is made of the line's key alone, so that an invoice
    that is landed again keeps its ids. grain and billing_account_id: SQL of the two macros above.
#}
{% macro invoice_detail_id(grain, billing_account_id) -%}
    case
        when InvoiceId is not null
            then md5(concat_ws(
                '|',
                {{ json_text('x_Account') }},
                {{ json_text('InvoiceIssuerName') }},
                {{ json_text('InvoiceId') }},
                {{ json_text(billing_account_id) }},
                {{ json_text('BillingCurrency') }},
                {{ iso_utc('BillingPeriodStart') }},
                {{ iso_utc('BillingPeriodEnd') }},
                ChargeCategory,
                {{ grain }}
            ))
    end
{%- endmacro %}

{# One rule of an applicability in JSON. values: SQL of texts. #}
{% macro applicability_rule(dimension, operator, value) -%}
    '{"Dimension":"{{ dimension }}","Operator":' || {{ json_text(operator) }} || ',"Values":['
    || {{ json_text(value) }} || ']}'
{%- endmacro %}

{# The length of a period as FOCUS writes it: 1 Year, 3 Months or 100 Days. 365 days are a year, as fal's credits. #}
{% macro commitment_duration(start, end) -%}
    {%- set months -%}
        (12 * (extract(year from {{ end }}) - extract(year from {{ start }}))
        + extract(month from {{ end }}) - extract(month from {{ start }}))
    {%- endset -%}
    {%- set days -%}
        greatest(1, {{ dbt.datediff(utc_trunc('day', start), end, 'day') }})
    {%- endset -%}
    case
        when {{ days }} = 365 then '1 Year'
        when extract(day from {{ start }}) <> extract(day from {{ end }}) or {{ months }} = 0
            then {{ counted_unit(days, 'Day') }}
        when {{ months }} % 12 = 0 then {{ counted_unit(months ~ ' / 12', 'Year') }}
        else {{ counted_unit(months, 'Month') }}
    end
{%- endmacro %}

{# A count with its unit: 1 Year, 2 Years. #}
{% macro counted_unit(count, unit) -%}
    cast(cast({{ count }} as integer) as {{ dbt.type_string() }})
    || case when {{ count }} = 1 then ' {{ unit }}' else ' {{ unit }}s' end
{%- endmacro %}
