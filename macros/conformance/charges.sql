{#
    What the scans of charges and their elements share. Most rules read one charge, so a build scans only the months
    whose charges changed. The other rules compare charges of all months.
#}

{# Arguments of focus_rule_tallies for charges, in both versions of FOCUS. InvoiceDetailId is ours in each row. #}
{% macro focus_scan_of_charges() %}
    {{ return({
        'row_id': 'x_ChargeId',
        'is_provider_row': "x_ChargeSource in ('invoice', 'estimate')",
        'ours_too': {'ContractApplied': is_added_to_row('ContractApplied'), 'InvoiceDetailId': 'true'},
    }) }}
{% endmacro %}

{# Arguments of focus_rule_tallies for the elements of focus_elements. #}
{% macro focus_scan_of_elements() %}
    {{ return({
        'row_id': 'x_ChargeId',
        'is_provider_row': "x_ChargeSource in ('invoice', 'estimate') and not is_added",
    }) }}
{% endmacro %}

{# The key of a row in conformance_months. #}
{% macro focus_month_of_charge() %}
    {{ return({'account': 'x_Account', 'billing_month': month_of('BillingPeriodStart')}) }}
{% endmacro %}

{# The shapes of rules whose verdict on a row depends on other rows. #}
{% macro focus_shapes_of_several_rows() %}{{ return(['one_parent', 'references', 'unique']) }}{% endmacro %}

{#
    Whether the verdict of a rule on a row depends on other rows than those in the version of a month, which has the
    lines of invoices.
#}
{% macro focus_rule_compares_rows(rule) %}
    {{ return(
        rule.shape in focus_shapes_of_several_rows()
        and not (rule.shape == 'references' and rule.arguments[0] == 'invoice_detail')
    ) }}
{% endmacro %}

{# The rules of a scan of months. Without a month to build there are none, because writing their SQL takes long. #}
{% macro focus_rules_of_months(parts, scan) %}
    {% if parts == [] %}{{ return({'1.3': [], '1.4': []}) }}{% endif %}
    {{ return(focus_rules_of_both(scan, 'CostAndUsage', compares_rows=false)) }}
{% endmacro %}

{#
    SQL of texts that change when a verdict can change although no charge and no seed has changed: all macros of this
    project, the models with the checks, the types of the columns of the marts, and the versions of dbt and of the
    engine. The rules themselves are in seeds.
#}
{% macro focus_version_of_checks() %}
    {% set marts = [ref('cost_and_usage'), ref('focus_1_4__cost_and_usage')] %}
    {% if not execute %}{{ return("''") }}{% endif %}
    {% set texts = [dbt_version] %}
    {% for name in context['fal_focus'] | sort %}
        {% do texts.append(context['fal_focus'][name].macro.macro_sql) %}
    {% endfor %}
    {% for model in ['conformance_of_charges', 'conformance_of_elements', 'focus_1_4__cost_and_usage'] %}
        {% do texts.append(graph.nodes['model.fal_focus.' ~ model].raw_code) %}
    {% endfor %}
    {% for mart in marts %}
        {% for column in adapter.get_columns_in_relation(mart) %}
            {% do texts.append(column.name ~ ' ' ~ column.dtype) %}
        {% endfor %}
    {% endfor %}
    {{ return(sql_text(local_md5(texts | join('\n'))) ~ ', version()') }}
{% endmacro %}
