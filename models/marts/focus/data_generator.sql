with

data_generator as (

    {%- for dataset in ['CostAndUsage', 'ContractCommitment'] %}
    select
        '{{ dataset }}' as dataset,
        'fal_focus' as data_generator,
        {{ sql_text(var('fal_focus_version')) }} as data_generator_version,
        '1.3' as focus_version,
        {{ sql_text(var('fal_service_provider_name')) }} as service_provider_name,
        {{ sql_text(var('fal_invoice_issuer_name')) }} as invoice_issuer_name
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}

)

select * from data_generator
