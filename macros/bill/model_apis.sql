{#
    The service that fal sells, as FOCUS columns with SQL literals. They stand in where neither a provider's row nor
    seeds/fal_endpoints has a value. An unknown endpoint has fal as its publisher.
#}
{% macro model_apis() %}
    {{ return({
        'ServiceName': "'fal Model APIs'",
        'ServiceCategory': "'AI and Machine Learning'",
        'ServiceSubcategory': "'Generative AI'",
        'ResourceType': "'Model endpoint'",
        'PublisherName': "'fal'",
    }) }}
{% endmacro %}
