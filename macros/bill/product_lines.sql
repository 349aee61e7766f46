{#
    The product lines that fal sells, as FOCUS columns with SQL literals. They stand in where neither a provider's row
    nor seeds/fal_endpoints has a value. An unknown endpoint has fal as its publisher.
#}
{% macro product_lines() %}
    {{ return({
        'model_apis': {
            'ServiceName': "'fal Model APIs'",
            'ServiceCategory': "'AI and Machine Learning'",
            'ServiceSubcategory': "'Generative AI'",
            'ResourceType': "'Model endpoint'",
            'PublisherName': "'fal'",
        },
        'serverless': {
            'ServiceName': "'fal Serverless'",
            'ServiceCategory': "'Compute'",
            'ServiceSubcategory': "'Serverless Compute'",
            'ResourceType': "'App'",
            'PublisherName': "'fal'",
        },
        'compute': {
            'ServiceName': "'fal Compute'",
            'ServiceCategory': "'Compute'",
            'ServiceSubcategory': "'Virtual Machines'",
            'ResourceType': "'Instance'",
            'PublisherName': "'fal'",
        },
    }) }}
{% endmacro %}

{# The line of a row that nothing classifies, such as a tax, as a SQL literal. It has the services of Model APIs. #}
{% macro unattributed() -%} 'unattributed' {%- endmacro %}

{# The value of a FOCUS column for the product line of a row of a report. #}
{% macro of_product_line(column) -%}
    case product_line
        when 'serverless' then {{ product_lines()['serverless'][column] }}
        when 'compute' then {{ product_lines()['compute'][column] }}
        else {{ product_lines()['model_apis'][column] }}
    end
{%- endmacro %}

{# The landed value of a row of a report that a pattern of seeds/fal_product_lines.csv can match, with its column. #}
{% macro value_for_pattern(relation) -%}
    case
        when {{ relation }}.SkuId is not null then 'SkuId ' || {{ relation }}.SkuId
        when {{ relation }}.ResourceId is not null then 'ResourceId ' || {{ relation }}.ResourceId
        when {{ relation }}.ResourceName is not null then 'ResourceName ' || {{ relation }}.ResourceName
        when not {{ is_added_to_row('ServiceName') }} then 'ServiceName ' || {{ relation }}.ServiceName
        else 'ChargeDescription ' || {{ relation }}.ChargeDescription
    end
{%- endmacro %}

{# The landed columns of a report that seeds/fal_product_lines.csv can name in column_name. #}
{% macro product_line_columns() %}
    {{ return([
        'ChargeDescription', 'PricingUnit', 'ResourceId', 'ResourceName', 'ResourceType', 'ServiceCategory',
        'ServiceName', 'ServiceSubcategory', 'SkuId', 'SkuMeter',
    ]) }}
{% endmacro %}
