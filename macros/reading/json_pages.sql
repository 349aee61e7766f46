{# Pages of the small JSON feeds: the usage of Serverless and the snapshots of the catalogue. #}

{# Why a page or a bucket that cannot be read is in quarantine. key: of the list, none for a page that is an object. #}
{% macro unreadable_json_page(key) %}
    {{ return('the page is not a JSON ' ~ ('document with a list of ' ~ key if key else 'object')) }}
{% endmacro %}

{% macro unreadable_bucket() %}{{ return('the bucket has no list of results') }}{% endmacro %}

{# The key of the list in a page of the catalogue, by source. A page of balance is one item, not a list. #}
{% macro catalogue_lists() %}
    {{ return({'keys': 'keys', 'models': 'models', 'pricing': 'prices', 'teams': 'teams', 'balance': none}) }}
{% endmacro %}

{#
    The items on the pages of the latest loads of a feed. Columns: account, source, landed_date, load_id, landed_file,
    item_number (from 1 within its page), is_readable and item (JSON text, with the numbers of money_fields() as texts).
    A page without its list is one row that is not readable, with the start of the page as a JSON string. lists: the key
    of the list by source, none for a page that is one item. files: stg_fal__landed_files.
#}
{% macro read_landed_json_items(files, feed, lists) %}
    {% set pages = landed_files_to_read(files, feed) %}
    {% if pages %}
        {{ return(json_items_of_pages(adapter.dispatch('read_json_pages')(pages), lists)) }}
    {% endif %}
    {% set text = dbt.type_string() %}
    {{ return(empty_relation({
        'account': text, 'source': text, 'landed_date': 'date', 'load_id': text, 'landed_file': text,
        'item_number': 'bigint', 'is_readable': 'boolean', 'item': text,
    })) }}
{% endmacro %}

{# pages: a query of filename, page_text and page, which is JSON or null. #}
{% macro json_items_of_pages(pages, lists) %}
    with

    pages as (

        {{ pages }}

    ),

    of_sources as (

        select
            {{ page_path_columns() }}
            nullif({{ folder_value('source') }}, '') as source,
            page_text,
            page
        from pages

    ),

    listed as (

        select
            *,
            case coalesce(source, '')
                {%- for source, key in lists.items() %}
                when '{{ source }}' then {{ json_texts_of(key) }}
                {%- endfor %}
            end as landed_items
        from of_sources

    ),

    readable as (

        select
            *,
            landed_items is not null as is_readable,
            coalesce(landed_items, {{ text_list([json_text('left(page_text, 1000)')]) }}) as page_items
        from listed

    ),

    numbered as (

        {{ explode('readable', 'page_items', 'landed_item', 'item_number') }}

    )

    select
        account,
        source,
        landed_date,
        load_id,
        landed_file,
        item_number,
        is_readable,
        coalesce(landed_item, 'null') as item
    from numbered
{% endmacro %}

{# The items of the list under a key of `page`, or the page itself as the only item: a list of JSON texts. #}
{% macro json_texts_of(key) -%}
    {%- if key -%} {{ json_list('page', key) }}
    {%- else -%} case when {{ is_json_object('page') }} then {{ text_list(['page']) }} end
    {%- endif -%}
{%- endmacro %}

{# The items of the list under a key, each as JSON text: a list of texts, null without such a list. #}
{% macro json_list(text, key) -%}{{ return(adapter.dispatch('json_list')(text, key)) }}{%- endmacro %}

{% macro duckdb__json_list(text, key) -%} {{ json_items(text, key) }} {%- endmacro %}

{# As a variant, an object would lose the fields that it repeats. #}
{% macro spark__json_list(text, key) -%} from_json({{ text }}, '{{ key }} array<string>').{{ key }} {%- endmacro %}

{% macro duckdb__read_json_pages(pages) %}
    {%- set paths, largest = landed_paths(pages), largest_page(pages) -%}
    select
        filename,
        page_text,
        cast({{ duckdb_as_json(duckdb_quote_numbers('page_text', money_fields())) }} as varchar) as page
    from ({{ duckdb_page_texts(paths, largest) }}) as texts
{% endmacro %}

{% macro spark__read_json_pages(pages) %}
    select
        filename,
        value as page_text,
        {{ replace_lone_surrogates(spark_quote_numbers('value', money_fields())) }} as page
    from ({{ spark_files_in(landed_folders(pages), 'page-*.json.gz') }}) as texts
{% endmacro %}
