{#- the texts that decide, as one value, which is never null and so can be joined -#}
{%- set row_texts = array_as_json(text_list(product_line_columns())) -%}

with

invoices as (

    select * from {{ ref('stg_fal__focus_invoices') }}

),

estimates as (

    select * from {{ ref('stg_fal__focus_estimates') }}

),

events as (

    select * from {{ ref('stg_fal__billing_events') }}

),

models as (

    select * from {{ ref('stg_fal__models') }}

),

catalogue as (

    select * from {{ ref('fal_endpoints') }}

),

serverless_usage as (

    select * from {{ ref('stg_fal__serverless_usage') }}

),

patterns as (

    select * from {{ ref('fal_product_lines') }}

),

report_rows as (

    select
        'invoice' as charge_source,
        account,
        billing_month as landed_for,
        record_number,
        {{ row_texts }} as row_texts,
        {{ product_line_columns() | join(', ') }}
    from invoices
    union all
    select
        'estimate' as charge_source,
        account,
        landed_date as landed_for,
        record_number,
        {{ row_texts }} as row_texts,
        {{ product_line_columns() | join(', ') }}
    from estimates

),

described_rows as (

    -- a CSV repeats the same few descriptions each day, and rows with the same texts have the same product line
    select distinct
        account,
        row_texts,
        {{ product_line_columns() | join(', ') }}
    from report_rows

),

texts as (

    {%- for column in product_line_columns() %}
    select
        account,
        row_texts,
        '{{ column }}' as column_name,
        {{ column }} as column_text
    from described_rows
    where {{ column }} is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}

),

accounts as (

    select distinct account from report_rows

),

known_names as (

    -- names that the account's own data gives to one product line, and the columns that can contain them
    select
        account,
        endpoint_id as column_text,
        'model_apis' as product_line
    from events
    union
    select
        account,
        endpoint_id as column_text,
        'model_apis' as product_line
    from models
    union
    select
        accounts.account,
        catalogue.endpoint_id as column_text,
        'model_apis' as product_line
    from accounts
    cross join catalogue
    union
    select
        account,
        app as column_text,
        'serverless' as product_line
    from serverless_usage
    where app is not null

),

decisive_names as (

    -- An app can have the id of an endpoint. Such an id decides only where no pattern matches the row.
    select
        *,
        count(*) over (partition by account, column_text) > 1 as is_ambiguous
    from known_names

),

display_names as (

    select
        account,
        display_name as column_text
    from models
    where display_name is not null
    union
    select
        accounts.account,
        catalogue.display_name as column_text
    from accounts
    cross join catalogue
    where catalogue.display_name is not null

),

candidates as (

    -- An endpoint id decides first, then an app as an id, then the patterns of the seed. The name of an app and then
    -- that of a model come last: each can be the name of something else.
    select
        texts.account,
        texts.row_texts,
        case
            when texts.column_name = 'ResourceName' or decisive_names.is_ambiguous then 4
            when decisive_names.product_line = 'model_apis' then 1
            else 2
        end as step,
        0 as priority,
        decisive_names.product_line
    from texts
    inner join decisive_names
        on texts.account = decisive_names.account and texts.column_text = decisive_names.column_text
    where
        texts.column_name in ('SkuId', 'ResourceId')
        or (texts.column_name = 'ResourceName' and decisive_names.product_line = 'serverless')
    union all
    select
        texts.account,
        texts.row_texts,
        3 as step,
        patterns.priority,
        patterns.product_line
    from texts
    inner join patterns
        on
            texts.column_name = patterns.column_name
            and {{ matches_glob('lower(texts.column_text)', 'lower(trim(patterns.pattern))') }}
    union all
    select
        texts.account,
        texts.row_texts,
        5 as step,
        0 as priority,
        'model_apis' as product_line
    from texts
    inner join display_names
        on texts.account = display_names.account and texts.column_text = display_names.column_text
    where texts.column_name in ('SkuId', 'ResourceName')

),

ranked as (

    select
        *,
        row_number() over (
            partition by account, row_texts
            order by step asc, priority asc, product_line asc
        ) as candidate_number
    from candidates

),

decided as (

    select
        report_rows.charge_source,
        report_rows.account,
        report_rows.landed_for,
        report_rows.record_number,
        coalesce(ranked.product_line, {{ unattributed() }}) as product_line,
        case
            when ranked.step < 3 then 'id'
            when ranked.step = 3 then 'pattern'
            when ranked.step > 3 then 'name'
        end as decided_by
    from report_rows
    left join ranked
        on
            report_rows.account = ranked.account
            and report_rows.row_texts = ranked.row_texts
            and ranked.candidate_number = 1

)

select * from decided
