{# What the scans of FOCUS 1.3 and 1.4 share. #}

{#
    The rules of a scan of FOCUS 1.3 and of 1.4, for two marts with the same rows. A rule of 1.4 is in the scan of 1.3,
    unless it reads a column that 1.3 does not have or that has other values there. compares_rows: only the rules whose
    verdict on a row depends on other rows, or only the others; none for all.
#}
{% macro focus_rules_of_both(scan, dataset, compares_rows=none) %}
    {% set shapes = focus_shapes_of_several_rows() if compares_rows else none %}
    {% set old, new = focus_rules_in_scan('1.3', scan, dataset, shapes), [] %}
    {% for rule in focus_rules_in_scan('1.4', scan, dataset, shapes) %}
        {% do (new if focus_rule_reads(rule, focus_columns_changed_in_1_4(dataset)) else old).append(rule) %}
    {% endfor %}
    {% set rules = {'1.3': old, '1.4': new} %}
    {% if compares_rows is none %}{{ return(rules) }}{% endif %}
    {% for focus_version in rules %}
        {% set chosen = [] %}
        {% for rule in rules[focus_version] if focus_rule_compares_rows(rule) == compares_rows %}
            {% do chosen.append(rule) %}
        {% endfor %}
        {% do rules.update({focus_version: chosen}) %}
    {% endfor %}
    {{ return(rules) }}
{% endmacro %}

{# The columns that FOCUS 1.4 adds, and those that have other values in its mart. #}
{% macro focus_columns_changed_in_1_4(dataset) %}
    {{ return({
        'CostAndUsage': ['CommitmentProgramEligibilityDetails', 'ContractApplied', 'InvoiceDetailId'],
        'ContractCommitment': [
            'ContractCommitment(Applicability|BenefitCategory|Created|DiscountPercentage|DurationType)',
            'ContractCommitment(FulfillmentInterval|LastUpdated|LifecycleStatus|Model|OfferCategory)',
            'ContractCommitment(PaymentInterval|PaymentModel|PaymentUpfrontPercentage|Unit)',
            'InvoiceIssuerName', 'PricingCurrency', 'PricingCurrencyContractCommitmentCost', 'ServiceProviderName',
        ],
    }[dataset]) }}
{% endmacro %}

{# All that decides the verdict of a rule on a row, as text. #}
{% macro focus_check_of(rule) %}
    {{ return([rule.column, rule.each_column, rule.shape, rule.applies_when, rule.arguments] | string) }}
{% endmacro %}

{# Whether the check of a rule reads one of the columns, which are patterns. #}
{% macro focus_rule_reads(rule, columns) %}
    {% set pattern = '\\b(' ~ columns | join('|') ~ ')\\b' %}
    {{ return(modules.re.search(pattern, focus_check_of(rule)) is not none) }}
{% endmacro %}

{# The rules with different checks. A verdict counts for all rules with its check. #}
{% macro focus_distinct_rules(rules) %}
    {% set distinct = {} %}
    {% for rule in rules %}
        {% set first = distinct.setdefault(focus_check_of(rule), rule) %}
        {% if first is not sameas rule %}{% do first.counts_for.extend(rule.counts_for) %}{% endif %}
    {% endfor %}
    {{ return(distinct.values() | list) }}
{% endmacro %}
