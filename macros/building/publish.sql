{#
    Publishes the marts into FAL_PUBLISH_DIR after a complete and passed build, so that they are consistent and tested.
    Returns nothing, or SQL that fails with the reason.
#}
{% macro publish(results) %}
    {% if execute and flags.WHICH == 'build' and not flags.EMPTY %}
        {% if is_passed_build(results) %}
            {% set marts = published_marts() %}
            {{ return(adapter.dispatch('publish_marts')(
                marts, published_views(results, marts), published_requests(results)
            )) }}
        {% else %}
            {% do log(
                'Nothing was published: a build publishes when all of the project is in it and passes.', info=true
            ) %}
        {% endif %}
    {% endif %}
{% endmacro %}

{#
    The marts of the schemas focus, focus_1_4 and finops that are published as tables: relation by schema.alias.
    meta.published_as: table for a view that reads more than marts, or view.
#}
{% macro published_marts() %}
    {% set marts = {} %}
    {% set schemas = ['focus', 'focus_1_4', 'finops'] %}
    {% for node in graph.nodes.values() if node.resource_type == 'model' and node.schema in schemas %}
        {% if (node.config.meta.published_as or node.config.materialized) != 'view' %}
            {% do marts.update({node.schema ~ '.' ~ node.alias: node.relation_name}) %}
        {% endif %}
    {% endfor %}
    {{ return(marts) }}
{% endmacro %}

{# meta.published_by: the column of months by which the rows of a large mart are compared and replaced. #}
{% macro published_months() %}
    {% set months = {} %}
    {% for node in graph.nodes.values() if node.config.meta.published_by %}
        {% do months.update({node.schema ~ '.' ~ node.alias: node.config.meta.published_by}) %}
    {% endfor %}
    {{ return(months) }}
{% endmacro %}

{# What publishes requests by day; none unless FAL_PUBLISH_REQUESTS is 1. A change of the view changes each day. #}
{% macro published_requests(results) %}
    {% if env_var('FAL_PUBLISH_REQUESTS', '') != '1' %}{{ return(none) }}{% endif %}
    {% set view = results | selectattr('node.unique_id', 'equalto', 'model.fal_focus.requests') | first %}
    {{ return({
        'relation': view.node.relation_name,
        'versions': graph.nodes['model.fal_focus.int_request_days__versions'].relation_name,
        'fingerprint': local_md5(view.node.compiled_code),
    }) }}
{% endmacro %}

{# The views of marts: SQL by schema.alias. The SQL refers to the published marts as schema.alias. #}
{% macro published_views(results, marts) %}
    {% set views = {} %}
    {% for node in results | map(attribute='node') if node.resource_type == 'model' %}
        {% if node.schema == 'api' or node.config.meta.published_as == 'view' %}
            {% set sql = namespace(text=node.compiled_code) %}
            {% for mart, relation_name in marts.items() %}
                {% set sql.text = sql.text | replace(relation_name, mart) %}
            {% endfor %}
            {% do views.update({node.schema ~ '.' ~ node.alias: sql.text}) %}
        {% endif %}
    {% endfor %}
    {{ return(views) }}
{% endmacro %}

{# The description and the columns of each mart and view in the .yml files, by schema.alias. #}
{% macro published_descriptions(marts, views) %}
    {% set descriptions = {} %}
    {% for node in graph.nodes.values() if node.resource_type == 'model' %}
        {% set name = node.schema ~ '.' ~ node.alias %}
        {% if name in marts or name in views %}
            {% set columns = {} %}
            {% for column in node.columns.values() %}
                {% do columns.update({column.name: column.description | trim | replace('\n', ' ')}) %}
            {% endfor %}
            {% do descriptions.update({name: {'description': node.description, 'columns': columns}}) %}
        {% endif %}
    {% endfor %}
    {{ return(descriptions) }}
{% endmacro %}

{% macro duckdb__publish_marts(marts, views, requests) %}
    {% set folder = env_var('FAL_PUBLISH_DIR', 'published') %}
    {% set publication = {
        'marts': marts,
        'months': published_months(),
        'views': views,
        'descriptions': published_descriptions(marts, views),
        'requests': requests,
        'publication_id': invocation_id,
        'may_be_empty': var('fal_publish_empty') or latest_loads() | length > 0,
    } %}
    {% if folder %}
        {% do adapter.store_relation('publishing', none, [], folder, 'duckdb', publication) %}
    {% else %}
        {% do publication.update({
            'failure': 'nothing was published: FAL_PUBLISH_DIR is empty; unset it for published/, or name a folder'
        }) %}
    {% endif %}
    {% if publication.failure %}
        {{ return('select error(' ~ sql_text(publication.failure) ~ ')') }}
    {% endif %}
    {% if publication.warning %}{% do exceptions.warn(publication.warning) %}{% endif %}
    {% if publication.page_failure %}{% do exceptions.warn(publication.page_failure) %}{% endif %}
    {% do print(publication.message) %}
{% endmacro %}

{# On other engines, readers use the tables of the warehouse, which builds do not lock. #}
{% macro default__publish_marts(marts, views, requests) %}{% endmacro %}
