{# A macro for each kind of value that FOCUS defines: a condition on a value that is not null. #}

{% macro focus_value_is_text(value, types) -%} trim({{ value }}) <> '' {%- endmacro %}

{% macro focus_value_is_not_blank(value, types) -%} {{ focus_value_is_text(value) }} {%- endmacro %}

{% macro focus_value_is_no_placeholder(value, types) -%}
    not {{ is_one_of('lower(trim(' ~ value ~ '))', ['', 'null', 'none', 'nan', 'n/a', 'not applicable', 'undefined']) }}
{%- endmacro %}

{# The type of the column decides, because decimals have one format. types: SQL type by column of the mart. #}
{% macro focus_value_is_number(value, types) -%}
    {{ types.get(value, '').startswith('decimal') | lower }}
{%- endmacro %}

{# The type of the column decides, because timestamps have one format. #}
{% macro focus_value_is_time(value, types) -%}
    {{ types.get(value, '').startswith('timestamp') | lower }}
{%- endmacro %}

{% macro focus_value_is_currency(value, types) -%} {{ is_one_of(value, iso_4217_codes()) }} {%- endmacro %}

{% macro focus_value_is_unit(value, types) -%}
    {{ matches(value, '([0-9]+ )?[A-Z][A-Za-z]*( [A-Z][A-Za-z]*)*(-[A-Z][A-Za-z]*|/([0-9]+ )?[A-Z][A-Za-z]*)?') }}
{%- endmacro %}

{% macro focus_value_is_whole_count(value, types) -%} not {{ matches(value, '.*[0-9][.,][0-9].*') }} {%- endmacro %}

{% macro focus_value_is_json_object(value, types) -%} {{ is_json_object(value) }} {%- endmacro %}

{% macro focus_value_is_object(value, types) -%} {{ is_json_object(value) }} {%- endmacro %}

{% macro focus_value_is_key_value(value, types) -%}
    {{ is_json_object(value) }} and {{ json_values_are_scalar(value) }}
{%- endmacro %}

{% macro focus_value_is_flat(value, types) -%} {{ json_values_are_scalar(value) }} {%- endmacro %}

{% macro focus_value_is_unique_keys(value, types) -%} {{ json_keys_differ(value) }} {%- endmacro %}

{% macro focus_value_is_items_of_one_type(value, types) -%}
    {{ json_items_are_of_one_type(value, 'Elements') }}
{%- endmacro %}

{% macro focus_value_is_items_differ(value, types) -%} {{ json_items_differ(value, 'Elements') }} {%- endmacro %}

{% macro focus_value_is_items_not_null(value, types) -%}
    {{ json_items_are_not_null(value, 'Elements') }}
{%- endmacro %}

{# The codes of national currencies in use, ISO 4217. #}
{% macro iso_4217_codes() %}
    {{ return((
        'AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF '
        'CHF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF GTQ GYD '
        'HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD '
        'LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK '
        'PHP PKR PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS '
        'TMT TND TOP TRY TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XCG XOF XPF YER ZAR ZMW ZWG'
    ).split(' ')) }}
{% endmacro %}
