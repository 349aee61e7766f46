-- Usage of reports whose ids or names belong to another product line than their ServiceName. The id decides, so if the
-- ServiceName is right, the amount is in the wrong line. Add a pattern for the value, or correct the one for the
-- ServiceName, in seeds/fal_product_lines.csv.
{{ config(severity='warn') }}

with

report_rows as (

    {%- for source, feed, landed_for in [
        ('invoice', 'stg_fal__focus_invoices', 'billing_month'),
        ('estimate', 'stg_fal__focus_estimates', 'landed_date'),
    ] %}
    select
        '{{ source }}' as charge_source,
        account,
        {{ landed_for }} as landed_for,
        record_number,
        ServiceName as service_name,
        coalesce(SkuId, ResourceId, ResourceName) as id_or_name,
        {{ utc_date('ChargePeriodStart') }} as charge_date,
        coalesce(EffectiveCost, BilledCost) as cost
    from {{ ref(feed) }}
    where {{ is_ordinary_usage() }}{{ ' and ' ~ is_of_its_day() if source == 'estimate' }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}

),

charges as (

    select
        report_rows.*,
        product_lines.product_line
    from report_rows
    inner join {{ ref('int_report_rows__product_lines') }} as product_lines
        on
            report_rows.charge_source = product_lines.charge_source
            and report_rows.account = product_lines.account
            and report_rows.landed_for = product_lines.landed_for
            and report_rows.record_number = product_lines.record_number
    where product_lines.decided_by <> 'pattern'

),

patterns as (

    select * from {{ ref('fal_product_lines') }}
    where column_name = 'ServiceName'

),

services as (

    select distinct service_name from charges

),

ranked as (

    select
        services.service_name,
        patterns.product_line,
        row_number() over (partition by services.service_name order by patterns.priority asc) as pattern_number
    from services
    inner join patterns on {{ matches_glob('lower(services.service_name)', 'lower(trim(patterns.pattern))') }}

)

select
    charges.account,
    charges.charge_source,
    charges.id_or_name,
    charges.product_line,
    charges.service_name,
    ranked.product_line as product_line_of_service,
    min(charges.charge_date) as first_day,
    max(charges.charge_date) as last_day,
    {{ plain_decimal('sum(charges.cost)') }} as usage_usd
from charges
inner join ranked on charges.service_name = ranked.service_name and ranked.pattern_number = 1
where charges.product_line <> ranked.product_line
group by
    charges.account,
    charges.charge_source,
    charges.id_or_name,
    charges.product_line,
    charges.service_name,
    ranked.product_line
