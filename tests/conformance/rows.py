"""Rows of each kind that keep every rule of FOCUS, and rows that break one rule each."""

import json
import re
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from tests.conformance.rules import Rule

Row = dict[str, Any]

ELEMENT = {
    "ContractId": "contract-1",
    "ContractCommitmentId": "credits-2026-01",
    "ContractCommitmentAppliedCost": 37.5,
    "ContractCommitmentAppliedQuantity": 37.5,
    "ContractCommitmentAppliedUnit": "USD",
}
SHARE = {"AllocatedRatio": 0.25, "UsageQuantity": 5, "UsageUnit": "Hours"}
PROGRAM = {"ProgramType": "Plan"}


def elements(*items: object) -> str:
    """Write the text of a JSON column with these elements."""
    return json.dumps({"Elements": items})


USAGE: Row = {
    "BilledCost": "37.5",
    "BillingAccountId": "fal-acct-acme",
    "BillingAccountName": "Acme",
    "BillingAccountType": "Account",
    "BillingCurrency": "USD",
    "BillingPeriodEnd": "2026-02-01 00:00:00+00",
    "BillingPeriodStart": "2026-01-01 00:00:00+00",
    "ChargeCategory": "Usage",
    "ChargeDescription": "FLUX.1 [dev], Images at 0.025 USD",
    "ChargeFrequency": "Usage-Based",
    "ChargePeriodEnd": "2026-01-06 00:00:00+00",
    "ChargePeriodStart": "2026-01-05 00:00:00+00",
    "ConsumedQuantity": "1500",
    "ConsumedUnit": "Images",
    "ContractedCost": "37.5",
    "ContractedUnitPrice": "0.025",
    "EffectiveCost": "37.5",
    "HostProviderName": "fal",
    "InvoiceIssuerName": "fal",
    "ListCost": "45",
    "ListUnitPrice": "0.03",
    "PricingCategory": "Standard",
    "PricingCurrency": "USD",
    "PricingCurrencyContractedUnitPrice": "0.025",
    "PricingCurrencyEffectiveCost": "37.5",
    "PricingCurrencyListUnitPrice": "0.03",
    "PricingQuantity": "1500",
    "PricingUnit": "Images",
    "ProviderName": "fal",
    "PublisherName": "Black Forest Labs",
    "ResourceId": "fal-ai/flux/dev",
    "ResourceName": "FLUX.1 [dev]",
    "ResourceType": "Model endpoint",
    "ServiceCategory": "AI and Machine Learning",
    "ServiceName": "fal Model APIs",
    "ServiceProviderName": "fal",
    "ServiceSubcategory": "Generative AI",
    "SkuId": "fal-ai/flux/dev",
    "SkuMeter": "Images",
    "SkuPriceId": "fal-ai/flux/dev|0.03",
    "Tags": '{"Team": "research"}',
    "x_Account": "acme",
    "x_ChargeSource": "billing_events",
    "x_ChargeStatus": "Estimated",
}

UNPRICED: Row = dict.fromkeys(
    (
        "ConsumedQuantity",
        "ConsumedUnit",
        "ContractedUnitPrice",
        "ListUnitPrice",
        "PricingCategory",
        "PricingCurrencyContractedUnitPrice",
        "PricingCurrencyListUnitPrice",
        "PricingQuantity",
        "PricingUnit",
        "ResourceId",
        "ResourceName",
        "ResourceType",
        "SkuId",
        "SkuMeter",
        "SkuPriceId",
        "Tags",
    )
)
COSTS = ("BilledCost", "ContractedCost", "EffectiveCost", "ListCost", "PricingCurrencyEffectiveCost")
INVOICED: Row = {"InvoiceId": "INV-1", "x_ChargeSource": "invoice", "x_ChargeStatus": "Final"}

PURCHASE: Row = (
    USAGE
    | {
        "BilledCost": "100",
        "ChargeCategory": "Purchase",
        "ChargeDescription": "Purchase of prepaid credits",
        "ChargeFrequency": "One-Time",
        "ChargePeriodEnd": "2027-01-10 00:00:00+00",
        "ChargePeriodStart": "2026-01-10 00:00:00+00",
        "ConsumedQuantity": None,
        "ConsumedUnit": None,
        "ContractApplied": elements(
            ELEMENT | {"ContractCommitmentAppliedCost": 100, "ContractCommitmentAppliedQuantity": 100}
        ),
        "ContractedCost": "100",
        "EffectiveCost": "0",
        "ListCost": "100",
        "PricingCurrencyEffectiveCost": "0",
        "PricingQuantity": "100",
        "PricingUnit": "USD",
        "ResourceId": "credits-2026-01",
        "ResourceName": "Prepaid credits January 2026",
        "ResourceType": "Prepaid credits",
        "SkuId": "fal-prepaid-credits",
        "SkuMeter": "Prepaid credits",
        "SkuPriceId": "fal-prepaid-credits|1",
        "Tags": None,
        "x_ChargeSource": "commitment",
    }
    | dict.fromkeys(
        (
            "ContractedUnitPrice",
            "ListUnitPrice",
            "PricingCurrencyContractedUnitPrice",
            "PricingCurrencyListUnitPrice",
        ),
        "1",
    )
)

# columns that fal does not use, but a provider's file could have
EVERYTHING: Row = (
    USAGE
    | INVOICED
    | {
        "AllocatedMethodDetails": elements(SHARE),
        "AllocatedMethodId": "even",
        "AllocatedResourceId": "team-a",
        "AllocatedResourceName": "Team A",
        "AllocatedTags": '{"Unit": "a"}',
        "AvailabilityZone": "eu-1a",
        "CapacityReservationId": "reservation-1",
        "CapacityReservationStatus": "Used",
        "CommitmentDiscountCategory": "Usage",
        "CommitmentDiscountId": "discount-1",
        "CommitmentDiscountName": "Discount one",
        "CommitmentDiscountQuantity": "10",
        "CommitmentDiscountStatus": "Used",
        "CommitmentDiscountType": "Plan",
        "CommitmentDiscountUnit": "Images",
        "ContractApplied": elements(
            ELEMENT, ELEMENT | {"ContractCommitmentAppliedCost": 1, "x_Note": "rest"}
        ),
        "PricingCategory": "Committed",
        "RegionId": "eu-1",
        "RegionName": "Europe 1",
        "SkuPriceDetails": '{"GpuCount": 1, "x_Model": "dev"}',
        "SubAccountId": "sub-1",
        "SubAccountName": "Sub one",
        "SubAccountType": "Project",
    }
)

CHARGES: dict[str, Row] = {
    "usage": USAGE,
    "usage in halves": USAGE | {"ContractApplied": elements(ELEMENT), "BilledCost": "0"},
    "usage that counts by cost": USAGE
    | {
        "ContractApplied": elements(
            ELEMENT | {"ContractCommitmentAppliedQuantity": None, "ContractCommitmentAppliedUnit": None}
        )
    },
    "usage that counts by quantity": USAGE
    | {"ContractApplied": elements(ELEMENT | {"ContractCommitmentAppliedCost": None})},
    "free usage": USAGE
    | dict.fromkeys(COSTS, "0")
    | {name: "0" for name in USAGE if name.endswith("UnitPrice")}
    | {"SkuPriceId": "fal-ai/flux/dev|0"},
    "purchase": PURCHASE,
    "expired credits": PURCHASE
    | {
        "BilledCost": "0",
        "ChargeCategory": "Usage",
        "ConsumedQuantity": "0",
        "ConsumedUnit": "USD",
        "EffectiveCost": "100",
        "PricingCurrencyEffectiveCost": "100",
    },
    "invoiced usage": USAGE | INVOICED,
    "estimated usage": USAGE | {"x_ChargeSource": "estimate"},
    "credit": USAGE
    | UNPRICED
    | INVOICED
    | dict.fromkeys(COSTS, "-1.5")
    | {"ChargeCategory": "Credit", "ChargeFrequency": "One-Time"},
    "tax": USAGE
    | UNPRICED
    | INVOICED
    | dict.fromkeys(COSTS, "0.19")
    | {"ChargeCategory": "Tax", "ChargeFrequency": "One-Time"},
    "adjustment": USAGE
    | UNPRICED
    | INVOICED
    | dict.fromkeys(COSTS, "-2")
    | {"ChargeCategory": "Adjustment", "ChargeFrequency": "One-Time"},
    "correction": USAGE
    | UNPRICED
    | INVOICED
    | dict.fromkeys(COSTS, "-0.25")
    | {
        "ChargeClass": "Correction",
        "ChargePeriodEnd": "2025-12-21 00:00:00+00",
        "ChargePeriodStart": "2025-12-20 00:00:00+00",
    },
    "all that fal has not": EVERYTHING,
    "unused": EVERYTHING
    | {
        "CapacityReservationStatus": "Unused",
        "CommitmentDiscountStatus": "Unused",
        "ConsumedQuantity": None,
        "ConsumedUnit": None,
    },
}

# breaks rules, but another rule applies only to such a row
ODD_CHARGES: dict[str, Row] = {"no account": USAGE | {"BillingAccountId": None, "BillingAccountType": None}}

SPEND: Row = {
    "BillingCurrency": "USD",
    "ContractCommitmentCategory": "Spend",
    "ContractCommitmentCost": "100",
    "ContractCommitmentDescription": "Prepaid credits January 2026",
    "ContractCommitmentId": "credits-2026-01",
    "ContractCommitmentPeriodEnd": "2027-01-10 00:00:00+00",
    "ContractCommitmentPeriodStart": "2026-01-10 00:00:00+00",
    "ContractCommitmentType": "Prepaid credits",
    "ContractId": "contract-1",
    "ContractPeriodEnd": "2028-01-01 00:00:00+00",
    "ContractPeriodStart": "2025-01-01 00:00:00+00",
    "x_Account": "acme",
}

COMMITMENTS: dict[str, Row] = {
    "spend": SPEND,
    "usage": SPEND
    | {
        "ContractCommitmentCategory": "Usage",
        "ContractCommitmentCost": None,
        "ContractCommitmentId": "usage-2026",
        "ContractCommitmentQuantity": "100000.5",
        "ContractCommitmentUnit": "Seconds",
    },
}

NO_JSON = "not json"
TWICE = '{"a": 1, "a": 2}'
BROKEN_JSON = {
    "object": [NO_JSON, "[1]", "1"],
    "unique_keys": [TWICE],
    "flat": ['{"a": {"b": 1}}', '{"a": [1]}'],
    "items_of_one_type": [elements(ELEMENT, 1)],
    "items_differ": [elements(ELEMENT, ELEMENT)],
    "items_not_null": [elements(ELEMENT, None)],
}

# invalid values by shape
BAD_VALUES: dict[str, list[str]] = {
    "allowed_values": ["Nonsense", "usage", ""],
    "at_least_zero": ["-0.000000001"],
    "currency_format": ["usd", "US", "Dollars"],
    "json_object_format": BROKEN_JSON["object"],
    "key_value_format": [NO_JSON, "[]", *BROKEN_JSON["flat"]],
    "known_keys": ['{"Model": "dev"}'],
    "national_currency": ["XYZ", "credits"],
    "service_pair": ["Bots of another kind", "Containers"],
    "service_subcategory": ["Bots of another kind"],
    "text_format": ["", "  "],
    "unit_format": ["images", "Images per day", "1.5 Images"],
}


def bad_charges(rule: Rule, row: Row, by_kind: dict[str, list[str]]) -> Iterator[list[Row]]:
    """Make sets of rows that each break a rule, from a row that keeps it.

    by_kind: columns of the dataset by the kind of their values.
    """
    column, arguments = rule.column_id, rule.arguments.split("|")
    match rule.shape:
        case "not_null":
            yield [row | {column: None}]
        case "is_null":
            value = (
                "2"
                if column in by_kind["number"]
                else '{"a": 1}'
                if column in by_kind["json"]
                else "Something"
            )
            yield [row | {column: value}]
        case "equals":
            yield [row | {column: "0.5" if column.endswith("Percentage") else "0.000000000000000001"}]
        case "other_than":
            yield [row | {column: arguments[0]}]
        case "product":
            yield [row | {column: off_by_a_hair(row[column])}]
        case "between":
            yield [row | {column: "-0.000000001"}]
            yield [row | {column: "1.000000001"}]
        case "has_list" | "has_items":
            for bad in ("{}", json.dumps({arguments[0]: [] if rule.shape == "has_items" else 1}), NO_JSON):
                yield [row | {column: bad}]
        case "references":
            yield [row | {arguments[-1].split(" = ")[0]: "another"}]
        case "products":
            for cost in ("ListCost", "ContractedCost"):
                yield [row | {cost: off_by_a_hair(row[cost])}]
        case "one_parent":
            key, parent = arguments
            yield [row | {key: rule.rule_id}, row | {key: rule.rule_id, parent: "another"}]
            yield [row | {key: rule.rule_id, parent: None}]
        case "unique":
            yield [row | {column: rule.rule_id}, row | {column: rule.rule_id}]
        case "holds":
            yield [row | breaking(rule.arguments, row)]
        case "every_currency":
            for each in by_kind["currency"]:
                yield [row | {each: "usd"}]
        case "every_text":
            bad, kind = (" ", "required_text") if arguments == ["not_blank"] else ("N/A", "text")
            for each in by_kind[kind]:
                yield [row | {each: bad}]
        case "every_unit":
            bad = "1.5 Hours" if arguments == ["whole_count"] else "images"
            for each in by_kind["unit"]:
                yield [row | {each: bad}]
        case "every_key_value" | "every_json_object":
            for each in by_kind[rule.shape.removeprefix("every_")]:
                for bad in BROKEN_JSON[arguments[0]]:
                    yield [row | {each: bad}]
        case shape:
            for bad in BAD_VALUES[shape]:
                yield [row | {column: bad}]


def bad_elements(rule: Rule, row: Row) -> Iterator[list[Row]]:
    """Do the same as bad_charges for a rule on the elements of a JSON column."""
    column, keys = rule.column_id, rule.arguments.split("|")
    good: dict[str, Any] = {"AllocatedMethodDetails": SHARE, "ContractApplied": ELEMENT}.get(column, PROGRAM)
    key = keys[0]
    for condition in re.findall(r"coalesce\((\w+)_kind, 'null'\) = 'null'", rule.applies_when):
        good = good | {condition: None}
    without = {name: value for name, value in good.items() if name != key}
    broken: list[list[object]]
    match rule.shape:
        case "key_exists":
            broken = [[without]]
        case "keys_exist":
            broken = [[{name: value for name, value in good.items() if name != each}] for each in keys]
        case "key_not_null":
            broken = [[without], [good | {key: None}]]
        case "key_null":
            broken = [[good | {key: "USD"}]]
        case "key_text":
            broken = [[good | {key: 1}], [good | {key: True}]]
        case "key_number":
            broken = [[good | {key: "1"}], [good | {key: [1]}]]
        case "key_text_format":
            broken = [[good | {key: ""}], [good | {key: " "}]]
        case "key_number_format":
            broken = [[good | {key: "1,000"}], [good | {key: "$1"}], [good | {key: "+1"}]]
        case "key_unit_format":
            broken = [[good | {key: "dollars"}]]
        case "key_between":
            broken = [[good | {key: bad}] for bad in (1.001, -0.001, "1")]
        case "flat_element":
            broken = [[good | {"x_Note": {"a": 1}}], [good | {"x_Note": [1]}]]
        case "known_element_keys":
            broken = [[good | {"Note": "rest"}], [good | {"ContractCommitmentID": "c"}]]
        case "pascal_keys":
            broken = [[good | {"note": "rest"}]]
        case "one_parent":
            broken = [[good | {key: rule.rule_id}, good | {key: rule.rule_id, keys[1]: "another"}]]
        case "holds" if "json_kind" in rule.arguments:
            broken = [[1]] + ([[{}]] if "key_count" in rule.arguments else [])
        case "holds":
            broken = [[good | {"ContractCommitmentId": "another"}]]
        case shape:
            raise KeyError(shape)
    for items in broken:
        list_key = "Elements" if good is not PROGRAM else "CommitmentPrograms"
        yield [row | {column: json.dumps({list_key: items})}]


def off_by_a_hair(amount: str) -> str:
    """Add the smallest difference of a cost to an amount."""
    return str(Decimal(amount) + Decimal("0.000000000000000001"))


def breaking(condition: str, row: Row) -> Row:
    """Return a change of a row that makes A = B, A < B, A <= B, A <> B or A is not null false."""
    if " is not null" in condition:
        return dict.fromkeys(re.findall(r"(\w+) is not null", condition))
    left, operator, right = re.fullmatch(r"(\w+) (=|<|<=|<>) (\w+)", condition).groups()
    if operator == "<=":
        return {left: "2030-01-01 00:00:00+00"}
    return {left: "12345"} if operator == "=" else {right: row[left]}
