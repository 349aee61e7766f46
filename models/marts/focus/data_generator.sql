with

data_generator as (

    {%- for focus_version, marts in focus_marts().items() %}
    {%- set is_last_version = loop.last %}
    {%- for dataset in marts %}
    select
        '{{ dataset }}' as dataset,
        'fal_focus' as data_generator,
        {{ sql_text(var('fal_focus_version')) }} as data_generator_version,
        '{{ focus_version }}' as focus_version,
        {{ sql_text(var('fal_service_provider_name')) }} as service_provider_name,
        {{ sql_text(var('fal_invoice_issuer_name')) }} as invoice_issuer_name
    {%- if not (loop.last and is_last_version) %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}

)

select * from data_generator
