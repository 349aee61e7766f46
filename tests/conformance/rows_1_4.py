"""Rows of the marts of FOCUS 1.4 that keep every rule, and how to break the rules that only 1.4 has."""

import json
from collections.abc import Iterator
from typing import Any

from tests.conformance.rows import CHARGES, COMMITMENTS, EVERYTHING, INVOICED, PROGRAM, PURCHASE, USAGE, Row
from tests.conformance.rules import Rule

QUANTITY_KEYS = ("ContractCommitmentAppliedQuantity", "ContractCommitmentAppliedUnit")
ELEMENT = {
    "ContractId": "contract-1",
    "ContractCommitmentId": "credits-2026-01",
    "ContractCommitmentAppliedCost": 37.5,
}
COUNTED = {
    "ContractId": "contract-1",
    "ContractCommitmentId": "usage-2026",
    "ContractCommitmentAppliedCost": None,
    "ContractCommitmentAppliedQuantity": 1500,
    "ContractCommitmentAppliedUnit": "Images",
}


def programs(*items: object) -> str:
    """Write the text of CommitmentProgramEligibilityDetails with these programs."""
    return json.dumps({"CommitmentPrograms": items})


def _element_of_1_4(element: Row) -> Row:
    """Keep the cost of an element, or its quantity and unit if it has no cost."""
    if element["ContractCommitmentAppliedCost"] is None:
        return element
    return {key: value for key, value in element.items() if key not in QUANTITY_KEYS}


def _charge_of_1_4(row: Row) -> Row:
    """Change a charge of FOCUS 1.3 to one of 1.4."""
    changed: Row = {"InvoiceDetailId": "line-1"} if row.get("InvoiceId") else {}
    if row.get("ContractApplied"):
        applied = json.loads(row["ContractApplied"])["Elements"]
        changed["ContractApplied"] = json.dumps({"Elements": [_element_of_1_4(one) for one in applied]})
    return row | changed


CHARGES_1_4: dict[str, Row] = {name: _charge_of_1_4(row) for name, row in CHARGES.items()} | {
    "usage that counts by cost and by quantity": USAGE
    | {"ContractApplied": json.dumps({"Elements": [ELEMENT, COUNTED]})},
    "purchase of something else": PURCHASE
    | INVOICED
    | {
        "InvoiceDetailId": "line-1",
        "ContractApplied": None,
        "ChargePeriodEnd": "2026-02-01 00:00:00+00",
        "EffectiveCost": "100",
        "PricingCurrencyEffectiveCost": "100",
    },
    "all that fal has not": _charge_of_1_4(EVERYTHING)
    | {"CommitmentProgramEligibilityDetails": programs(PROGRAM, {"ProgramType": "Other plan", "x_Note": 1})},
}

RULE = {"Dimension": "ResourceId", "Operator": "StartsWith", "Values": ["fal-ai/"]}
SHARES = {"Cost": 0.5, "Usage": 1}
ANY = {"Dimension": "RegionId", "Operator": "Exists", "Values": ["*"]}
INCLUDING = {
    "IsGlobalScope": False,
    "IsComplexScope": False,
    "InclusionOperator": "And",
    "Inclusions": [RULE, ANY, RULE | {"Dimension": "SkuId", "Applicability": SHARES}],
}
GLOBAL = {
    "IsGlobalScope": True,
    "Applicability": SHARES,
    "ExclusionOperator": "Or",
    "Exclusions": [RULE, ANY, RULE | {"Dimension": "SkuId", "Applicability": {"Cost": 0, "Usage": 0.25}}],
}
COMPLEX = {"IsComplexScope": True, "x_EndpointPattern": "fal-ai/*/video"}

SPEND: Row = COMMITMENTS["spend"] | {
    "ContractCommitmentApplicability": json.dumps(INCLUDING),
    "ContractCommitmentBenefitCategory": "Entitlement",
    "ContractCommitmentCreated": "2026-01-10 00:00:00+00",
    "ContractCommitmentDurationType": "1 Year",
    "ContractCommitmentFulfillmentInterval": "Full Period",
    "ContractCommitmentLastUpdated": "2026-02-01 00:00:00+00",
    "ContractCommitmentLifecycleStatus": "Active",
    "ContractCommitmentModel": "Discontinuous",
    "ContractCommitmentOfferCategory": "Public",
    "ContractCommitmentPaymentInterval": "One-Time",
    "ContractCommitmentPaymentModel": "All Upfront",
    "ContractCommitmentPaymentUpfrontPercentage": "1",
    "InvoiceIssuerName": "fal",
    "PricingCurrency": "USD",
    "PricingCurrencyContractCommitmentCost": "100",
    "ServiceProviderName": "fal",
}
COMMITMENTS_1_4: dict[str, Row] = {
    "spend": SPEND,
    "usage": SPEND
    | COMMITMENTS["usage"]
    | {
        "ContractCommitmentApplicability": json.dumps(GLOBAL),
        "ContractCommitmentBenefitCategory": "Discount",
        "ContractCommitmentDiscountPercentage": "0.1",
        "ContractCommitmentFulfillmentInterval": "Monthly",
        "ContractCommitmentModel": "Continuous",
        "ContractCommitmentPaymentInterval": "Monthly",
        "ContractCommitmentPaymentModel": "Partial Upfront",
        "ContractCommitmentPaymentUpfrontPercentage": "0.25",
        "PricingCurrencyContractCommitmentCost": None,
    },
    "reservation": SPEND
    | {
        "ContractCommitmentApplicability": json.dumps(COMPLEX),
        "ContractCommitmentBenefitCategory": "Availability",
        "ContractCommitmentId": "reservation-2026",
        "ContractCommitmentPaymentInterval": "Monthly",
        "ContractCommitmentPaymentModel": "No Upfront",
        "ContractCommitmentPaymentUpfrontPercentage": "0",
    },
}

PERIODS_1_4: dict[str, Row] = {
    "closed": {
        "BillingPeriodCreated": "2026-01-02 00:00:00+00",
        "BillingPeriodEnd": "2026-02-01 00:00:00+00",
        "BillingPeriodLastUpdated": "2026-02-03 00:00:00+00",
        "BillingPeriodStart": "2026-01-01 00:00:00+00",
        "BillingPeriodStatus": "Closed",
        "InvoiceIssuerName": "fal",
    }
}

LINE_CHARGES: dict[str, Row] = {
    "usage": CHARGES_1_4["invoiced usage"],
    "credit": CHARGES_1_4["credit"],
    "tax": CHARGES_1_4["tax"] | {"InvoiceDetailId": "line-2"},
}
LINE: Row = {
    "BilledCost": "36",
    "BillingAccountId": "fal-acct-acme",
    "BillingCurrency": "USD",
    "BillingPeriodEnd": "2026-02-01 00:00:00+00",
    "BillingPeriodStart": "2026-01-01 00:00:00+00",
    "ChargeCategory": "Usage",
    "InvoiceDetailCreated": "2026-02-02 00:00:00+00",
    "InvoiceDetailDescription": "Usage, fal-ai/flux/dev",
    "InvoiceDetailGrain": '{"SkuId": "fal-ai/flux/dev", "x_Note": "rest"}',
    "InvoiceDetailId": "line-1",
    "InvoiceDetailLastUpdated": "2026-02-03 00:00:00+00",
    "InvoiceId": "INV-1",
    "InvoiceIssueDate": "2026-02-01 00:00:00+00",
    "InvoiceIssueStatus": "Issued",
    "InvoiceIssuerName": "fal",
    "PaymentCurrency": "USD",
    "PaymentCurrencyBilledCost": "36",
    "PaymentCurrencyInvoiceDetailId": "line-1",
    "PaymentDueDate": "2026-03-01 00:00:00+00",
    "PaymentTerms": "Net 30",
    "PurchaseOrderNumber": "PO-1",
    "ReferenceInvoiceId": "INV-1",
}
LINES_1_4: dict[str, Row] = {
    "line": LINE,
    "tax": LINE
    | {
        "BilledCost": "0.19",
        "ChargeCategory": "Tax",
        "InvoiceDetailGrain": None,
        "InvoiceDetailId": "line-2",
        "PaymentCurrencyBilledCost": "0.19",
        "PaymentCurrencyInvoiceDetailId": "line-2",
    },
}

LATER = "2030-01-01 00:00:00+00"
WITHOUT = {key: {name: value for name, value in RULE.items() if name != key} for key in RULE}
# bad inclusions and exclusions, by the text of the rule
BAD_SCOPES: dict[str, list[object]] = {
    "Each inclusion or exclusion is an object.": [1, "ResourceId"],
    "An inclusion or exclusion has no keys but those of FOCUS.": [RULE | {"x_Note": "rest"}],
    "Dimension is text.": [WITHOUT["Dimension"], RULE | {"Dimension": 1}],
    "Operator is text.": [WITHOUT["Operator"], RULE | {"Operator": 1}],
    "Operator is one of its allowed values.": [RULE | {"Operator": "in"}, RULE | {"Operator": "Like"}],
    "Values is an array with at least one item.": [
        WITHOUT["Values"],
        RULE | {"Values": []},
        RULE | {"Values": "a"},
    ],
    "Each item of Values is text.": [RULE | {"Values": [1]}, RULE | {"Values": ["a", 1]}],
    "A wildcard has one of the operators In, Contains, Exists and DoesNotExist.": [RULE | {"Values": ["*"]}],
    "Exists and DoesNotExist have the wildcard as their only value.": [
        ANY | {"Values": ["a"]},
        ANY | {"Values": ["*", "a"]},
    ],
    "Applicability of an inclusion or exclusion is an object with no keys but Cost and Usage.": [
        RULE | {"Applicability": 1},
        RULE | {"Applicability": SHARES | {"Note": 1}},
    ],
    "A wildcard is the only value of an inclusion.": [ANY | {"Values": ["*", "a"]}],
    "A wildcard is the only value of an exclusion.": [ANY | {"Values": ["*", "a"]}],
} | {
    f"Applicability.{key} of an {scope} is a share of the {what} between 0 and 1.": [
        RULE | {"Applicability": {key: bad}} for bad in (1.001, -0.001, "1")
    ]
    for key, what in (("Cost", "cost"), ("Usage", "usage"))
    for scope in ("inclusion", "exclusion")
}
# bad values of ContractCommitmentApplicability, by the text of the rule
BAD_APPLICABILITY: dict[str, list[object]] = {
    "A key that FOCUS does not define begins with x_.": [GLOBAL | {"Note": 1}],
    "IsGlobalScope is true or false.": [GLOBAL | {"IsGlobalScope": "true"}, GLOBAL | {"IsGlobalScope": None}],
    "IsComplexScope is true or false.": [COMPLEX | {"IsComplexScope": 1}],
    "IsGlobalScope and IsComplexScope are not both true.": [GLOBAL | COMPLEX],
    "InclusionOperator is And or Or.": [
        INCLUDING | {"InclusionOperator": "and"},
        INCLUDING | {"InclusionOperator": 1},
    ],
    "ExclusionOperator is And or Or.": [GLOBAL | {"ExclusionOperator": "Not"}],
    "Inclusions is an array.": [INCLUDING | {"Inclusions": RULE}],
    "Exclusions is an array with at least one item.": [
        GLOBAL | {"Exclusions": []},
        GLOBAL | {"Exclusions": RULE},
    ],
    "A global or complex scope has no inclusions and no InclusionOperator.": [
        GLOBAL | {"Inclusions": [RULE]},
        COMPLEX | {"InclusionOperator": "And"},
    ],
    "Any other scope has inclusions and an InclusionOperator.": [
        {},
        INCLUDING | {"Inclusions": []},
        {"Inclusions": [RULE]},
    ],
    "A scope with exclusions has an ExclusionOperator.": [{"IsGlobalScope": True, "Exclusions": [RULE]}],
    "Applicability is an object with no keys but Cost and Usage.": [
        GLOBAL | {"Applicability": 1},
        GLOBAL | {"Applicability": {"Note": 1}},
    ],
} | {
    f"Applicability.{key} is a share of the {what} between 0 and 1.": [
        GLOBAL | {"Applicability": {key: bad}} for bad in (1.001, -0.001, "1")
    ]
    for key, what in (("Cost", "cost"), ("Usage", "usage"))
}
# changes of a row that break a rule, by the condition that the rule holds
BAD_CHANGES: dict[str, list[Row]] = {
    "ContractCommitmentPaymentUpfrontPercentage > 0 and ContractCommitmentPaymentUpfrontPercentage < 1": [
        {"ContractCommitmentPaymentUpfrontPercentage": "0"},
        {"ContractCommitmentPaymentUpfrontPercentage": "1"},
    ],
    "InvoiceCost = ChargesInvoiceCost": [{"BilledCost": "36.000000000000000001"}],
    "BilledCost = ChargesCost": [{"BilledCost": "36.000000000000000001"}, {"InvoiceDetailId": "line-3"}],
    "BillingPeriodEnd = ChargesPeriodEnd": [{"BillingPeriodEnd": LATER}],
    "BillingPeriodStart = ChargesPeriodStart": [{"BillingPeriodStart": "2025-12-01 00:00:00+00"}],
    "InvoiceDetailCreated <= PeriodLastUpdated": [{"InvoiceDetailCreated": LATER}],
}
BAD_ELEMENTS = [
    ELEMENT | {"ContractCommitmentAppliedQuantity": 37.5, "ContractCommitmentAppliedUnit": "USD"},
    ELEMENT | {"ContractCommitmentAppliedUnit": "USD"},
    ELEMENT | {"ContractCommitmentAppliedCost": None},
    COUNTED | {"ContractCommitmentAppliedUnit": None},
    COUNTED | {"ContractCommitmentAppliedQuantity": "1500"},
]


def bad_rows(rule: Rule, row: Row) -> Iterator[list[Row]] | None:
    """Make sets of rows that break a rule that only 1.4 has, or return None for any other rule."""
    if rule.column_id == "ContractCommitmentApplicability" and rule.text in BAD_APPLICABILITY | BAD_SCOPES:
        return _bad_applicability(rule, row)
    if rule.arguments in BAD_CHANGES:
        return ([row | change] for change in BAD_CHANGES[rule.arguments])
    if rule.arguments.startswith("case when ContractCommitmentAppliedCost"):
        return ([row | {"ContractApplied": json.dumps({"Elements": [bad]})}] for bad in BAD_ELEMENTS)
    return None


def _bad_applicability(rule: Rule, row: Row) -> Iterator[list[Row]]:
    """Make rows with an applicability that breaks a rule."""
    values: list[Any]
    if rule.scan == "scopes":
        exclusions = "'Exclusions'" in rule.applies_when
        whole, key = (GLOBAL, "Exclusions") if exclusions else (INCLUDING, "Inclusions")
        values = [whole | {key: [bad]} for bad in BAD_SCOPES[rule.text]]
    else:
        values = BAD_APPLICABILITY[rule.text]
    for value in values:
        yield [row | {"ContractCommitmentApplicability": json.dumps(value)}]
