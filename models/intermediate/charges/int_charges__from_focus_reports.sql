{#-
    Columns that a provider's row can lack, and the value that fills each. An amount of the file never changes. x_Repairs
    lists the filled columns. A value is made from the landed row; those that need a filled column name it again.
-#}
{%- set publisher_name = product_lines()['model_apis']['PublisherName'] -%}
{%- set sku_price_id = "SkuId || '|' || " ~ plain_decimal('ListUnitPrice') -%}
{%- set billed_by_unit = "ChargeCategory in ('Usage', 'Purchase') and ChargeClass is null" -%}
{%- set amount_if_credit = "case when ChargeCategory in ('Credit', 'Adjustment') then BilledCost end" -%}
{%- set fills = {
    'BillingAccountId': 'billing_account_id',
    'BillingAccountName': 'billing_account_name',
    'BillingAccountType': 'billing_account_type',
    'BillingCurrency': "'USD'",
    'BillingPeriodStart': 'billing_period_start',
    'BillingPeriodEnd': utc_add('month', 1, 'coalesce(BillingPeriodStart, billing_period_start)'),
    'ServiceProviderName': 'coalesce(ProviderName, ' ~ sql_text(var('fal_service_provider_name')) ~ ')',
    'HostProviderName': sql_text(var('fal_host_provider_name')),
    'ProviderName': 'coalesce(ServiceProviderName, ' ~ sql_text(var('fal_provider_name')) ~ ')',
    'PublisherName': 'coalesce(model_developer, ' ~ publisher_name ~ ')',
    'InvoiceIssuerName': sql_text(var('fal_invoice_issuer_name')),
    'ServiceCategory': of_product_line('ServiceCategory'),
    'ServiceSubcategory':
        "case when coalesce(ServiceCategory, '') in ('', " ~ of_product_line('ServiceCategory') ~ ') then '
        ~ of_product_line('ServiceSubcategory') ~ ' end',
    'ServiceName': of_product_line('ServiceName'),
    'ResourceType':
        "case when ResourceId is not null and product_line in ('serverless', 'compute') then "
        ~ of_product_line('ResourceType') ~ ' end',
    'ChargeFrequency': "case when ChargeCategory = 'Usage' then 'Usage-Based' else 'One-Time' end",
    'ChargeDescription':
        "concat_ws(', ', ChargeCategory, ChargeClass, coalesce(ResourceName, display_name, ResourceId, SkuId))",
    'PricingCategory': 'case when ' ~ billed_by_unit ~ " then 'Standard' end",
    'SkuMeter': 'case when SkuId is not null then coalesce(PricingUnit, unit) end',
    'SkuPriceId':
        'case when ' ~ billed_by_unit ~ ' and ListUnitPrice is not null and ContractedUnitPrice is not null then '
        ~ sku_price_id ~ ' end',
    'EffectiveCost': 'BilledCost',
    'ListCost': 'coalesce(' ~ money('ListUnitPrice * PricingQuantity') ~ ', ' ~ amount_if_credit ~ ')',
    'ContractedCost': 'coalesce(' ~ money('ContractedUnitPrice * PricingQuantity') ~ ', ' ~ amount_if_credit ~ ')',
    'PricingCurrency': "coalesce(BillingCurrency, 'USD')",
    'PricingCurrencyEffectiveCost': 'coalesce(EffectiveCost, BilledCost)',
    'PricingCurrencyListUnitPrice': 'ListUnitPrice',
    'PricingCurrencyContractedUnitPrice': 'ContractedUnitPrice',
    'SubAccountType': "case when SubAccountId is not null then 'Team' end",
} -%}

{#-
    Columns whose text in the file is replaced. x_Repairs lists them, and x_ProviderColumns keeps the text of the file. The
    seed names one billing account, so the name of another one stays. SkuPriceId is replaced because events have no id of
    the provider, and a price must keep its id when its month closes. FOCUS before 1.0 had other names of PricingCategory.
-#}
{%- set is_of_seed = 'coalesce(BillingAccountId, billing_account_id) = billing_account_id' -%}
{%- set replacements = {
    'BillingAccountName': 'case when ' ~ is_of_seed ~ ' then name_in_seed end',
    'BillingAccountType': 'case when ' ~ is_of_seed ~ ' then type_in_seed end',
    'PricingCategory':
        "case PricingCategory when 'On-Demand' then 'Standard' when 'Commitment-Based' then 'Committed' end",
    'SkuPriceId': sku_price_id,
    'Tags': 'spelled_tags',
} -%}

with

invoices as (

    select * from {{ ref('stg_fal__focus_invoices') }}

),

estimates as (

    select * from {{ ref('stg_fal__focus_estimates') }}

),

accounts as (

    select * from {{ ref('int_accounts__named') }}

),

tags as (

    select * from {{ ref('int_tags__reports') }}

),

product_lines as (

    select * from {{ ref('int_report_rows__product_lines') }}

),

endpoints as (

    select * from {{ ref('int_endpoints__described') }}

),

invoice_rows as (

    -- An invoice keeps its billing period. If it has none, the period is the month before the invoice was issued.
    select
        'invoice' as charge_source,
        'Final' as charge_status,
        billing_month as landed_for,
        record_number,
        account,
        cast(null as date) as landed_date,
        {{ utc_add('month', -1, 'billing_month') }} as billing_period_start,
        {%- for column in focus_columns() %}
        {{ column }},
        {%- endfor %}
        cast(null as {{ dbt.type_string() }}) as removed_invoice_id,
        provider_columns,
        bare_times
    from invoices

),

landed_invoices as (

    select distinct
        account,
        InvoiceId
    from invoices

),

estimate_rows as (

    -- The billing period of an estimate is the month of the charge; the period in the file is ignored. An invoice that
    -- has landed has all of its charges, so an estimate that names it is not on it.
    select
        'estimate' as charge_source,
        'Estimated' as charge_status,
        estimates.landed_date as landed_for,
        estimates.record_number,
        estimates.account,
        estimates.landed_date,
        {{ utc_trunc('month', 'estimates.ChargePeriodStart') }} as billing_period_start,
        {%- for column, kind in focus_columns().items() %}
        {%- if column == 'InvoiceId' %}
        case when landed_invoices.InvoiceId is null then estimates.InvoiceId end as InvoiceId,
        {%- elif column in ['BillingPeriodStart', 'BillingPeriodEnd'] %}
        cast(null as {{ focus_type(kind) }}) as {{ column }},
        {%- else %}
        estimates.{{ column }},
        {%- endif %}
        {%- endfor %}
        landed_invoices.InvoiceId as removed_invoice_id,
        estimates.provider_columns,
        estimates.bare_times
    from estimates
    left join landed_invoices
        on
            estimates.account = landed_invoices.account
            and estimates.InvoiceId = landed_invoices.InvoiceId

),

all_rows as (

    select * from invoice_rows
    union all
    select * from estimate_rows

),

with_names as (

    select
        all_rows.*,
        accounts.billing_account_id,
        accounts.billing_account_name,
        accounts.billing_account_type,
        accounts.name_in_seed,
        accounts.type_in_seed,
        tags.spelled_tags,
        coalesce(product_lines.product_line, {{ unattributed() }}) as product_line,
        endpoints.display_name,
        endpoints.model_developer,
        endpoints.unit
    from all_rows
    inner join accounts on all_rows.account = accounts.account
    left join tags on all_rows.{{ adapter.quote('Tags') }} = tags.tags
    left join product_lines
        on
            all_rows.charge_source = product_lines.charge_source
            and all_rows.account = product_lines.account
            and all_rows.landed_for = product_lines.landed_for
            and all_rows.record_number = product_lines.record_number
    left join endpoints
        on
            all_rows.account = endpoints.account
            and coalesce(all_rows.ResourceId, all_rows.SkuId) = endpoints.endpoint_id
            and {{ utc_date('all_rows.ChargePeriodStart') }} >= endpoints.valid_from
            and {{ utc_date('all_rows.ChargePeriodStart') }} < endpoints.valid_to

),

filled as (

    select
        charge_source,
        charge_status,
        account,
        landed_for,
        landed_date,
        record_number,
        product_line,
        provider_columns,
        {%- for column, kind in focus_columns().items() %}
        {% if column in fills or column in replacements -%}
        cast(coalesce(
            {%- if column in replacements %}
            case when {{ column }} is not null then {{ replacements[column] }} end,
            {%- endif %}
            {{ column }}
            {{- ', ' ~ fills[column] if column in fills }}
        ) as {{ focus_type(kind) }})
        {%- else -%} {{ column }}
        {%- endif %} as {{ column }},
        {%- endfor %}
        concat_ws(
            ',',
            {%- for column, replacement in replacements.items() %}
            case when {{ column }} <> {{ replacement }} then '"{{ column }}":' || {{ json_text(column) }} end,
            {%- endfor %}
            case when removed_invoice_id is not null then '"InvoiceId":' || {{ json_text('removed_invoice_id') }} end
        ) as replaced_texts,
        nullif('[' || concat_ws(
            ',',
            {%- for column, replacement in replacements.items() %}
            case when {{ column }} <> {{ replacement }} then '"{{ column }}"' end,
            {%- endfor %}
            case when removed_invoice_id is not null then '"InvoiceId"' end,
            -- a date without a time, or a time without a zone, became a UTC time
            {%- for column, kind in focus_columns().items() if kind == 'time' %}
            case when {{ column }} is not null and bare_times like '%{{ column }}%' then '"{{ column }}"' end,
            {%- endfor %}
            {%- for column, fill in fills.items() %}
            case when {{ column }} is null and {{ fill }} is not null then '"{{ column }}"' end
            {{- ',' if not loop.last }}
            {%- endfor %}
        ) || ']', '[]') as repairs
    from with_names

),

focus as (

    select
        ---------- FOCUS columns
        {%- for column in focus_columns() %}
        {{ column }},
        {%- endfor %}

        ---------- fal_focus
        account as x_Account,
        md5(concat_ws(
            '|',
            charge_source,
            account,
            cast(landed_for as {{ dbt.type_string() }}),
            cast(record_number as {{ dbt.type_string() }})
        )) as x_ChargeId,
        charge_source as x_ChargeSource,
        charge_status as x_ChargeStatus,
        product_line as x_ProductLine,
        case
            when replaced_texts = '' then provider_columns
            else '{' || concat_ws(',', substr(provider_columns, 2, length(provider_columns) - 2), replaced_texts) || '}'
        end as x_ProviderColumns,
        repairs as x_Repairs,
        {{ empty_focus_columns(focus_columns().keys() | list + [
            'x_Account', 'x_ChargeId', 'x_ChargeSource', 'x_ChargeStatus', 'x_ProductLine', 'x_ProviderColumns',
            'x_Repairs',
        ]) }},

        ---------- where it was landed
        {{ is_of_its_day() }} as is_of_its_day

    from filled

)

select * from focus
