"""The marts of random landing zones equal the reference bill, row by row, to the last digit."""

import csv
import json
import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.bill_reference import (
    Account,
    Bill,
    BurnDown,
    Line,
    Month,
    Seeds,
    Summary,
    bill_of,
    elements_of,
)
from tests.end_to_end.conftest import NO_TESTS, ROOT, Warehouse
from tests.end_to_end.random_zones import Zone, change_account, random_zone, write_account, write_seeds

pytestmark = pytest.mark.long

MARTS = (
    "--select",
    "+cost_and_usage",
    "+commitment_summary",
    "+invoice_reconciliation",
    "+product_line_reconciliation",
    "+daily_cost",
)
SHOWN = 3

CHARGES = """
    select
        x_Account, x_ChargeId, x_ChargeSource,
        timezone('UTC', ChargePeriodStart), timezone('UTC', ChargePeriodEnd), EffectiveCost, BilledCost,
        timezone('UTC', BillingPeriodStart), x_ChargeStatus, ChargeCategory, ChargeClass,
        case when x_ChargeSource in ('invoice', 'estimate') then ChargeDescription end, InvoiceId,
        coalesce(ResourceId, SkuId), PricingUnit, ContractedUnitPrice, PricingQuantity, x_AuthMethod,
        ContractApplied, x_ProductLine, x_ApiKeyId, x_LoginUsername,
        SubAccountId, SubAccountName, SubAccountType, Tags, SkuId,
        ListUnitPrice, ListCost, ContractedCost, ConsumedQuantity, ConsumedUnit, x_RequestCount
    from focus.cost_and_usage
"""
BURN_DOWN = """
    select
        account, contract_commitment_id, commitment_date, applied_amount, applied_so_far_amount,
        remaining_amount, days_left, daily_amount, runs_out_on, expires_unused_amount
    from finops.commitment_burn_down
"""
SUMMARIES = """
    select
        account, contract_commitment_id, as_of, status, applied_amount, remaining_amount, daily_amount,
        runs_out_on, expires_unused_amount, fal_balance, fal_balance_on, balance_difference
    from finops.commitment_summary
"""
MONTHS = """
    select
        account, charge_month, product_line, status, invoice_ids, invoiced_usage_usd, event_usage_usd,
        serverless_usage_usd, estimated_usage_usd, unattributed_usage_usd, invoice_minus_events_usd,
        invoice_minus_events_percent, invoice_minus_serverless_usage_usd,
        invoice_minus_serverless_usage_percent, invoice_minus_estimates_usd, invoice_minus_estimates_percent,
        credits_usd, taxes_usd, corrections_usd, other_charges_usd, invoiced_total_usd, days_from_invoice,
        days_from_events, days_from_serverless_usage, days_from_estimate, days_not_invoiced,
        event_usage_not_invoiced_usd, serverless_usage_not_invoiced_usd
    from (from finops.invoice_reconciliation union all by name from finops.product_line_reconciliation)
"""


def read_seeds() -> Seeds:
    """Read the endpoints and the patterns of product lines of the project."""
    with (ROOT / "seeds" / "fal_endpoints.csv").open() as file:
        endpoints = list(csv.DictReader(file))
    with (ROOT / "seeds" / "fal_product_lines.csv").open() as file:
        patterns = sorted(csv.DictReader(file), key=lambda row: int(row["priority"]))
    return Seeds(
        {row["endpoint_id"]: row["unit"] for row in endpoints if row["unit"]},
        frozenset(row["endpoint_id"] for row in endpoints),
        tuple((row["column_name"], row["pattern"], row["product_line"]) for row in patterns),
    )


@dataclass(frozen=True)
class Marts:
    """The marts of an account, and its x_ChargeIds by Line.key."""

    bill: Bill
    charge_ids: dict[Any, str]


def read_marts(warehouse: Warehouse) -> dict[str, Marts]:
    """Read the marts of each account."""
    lines, ids = defaultdict(list), defaultdict(dict)
    for account, charge_id, *values in warehouse.rows(CHARGES):
        line = Line(*values)
        is_of_csv = line.record is not None
        rest = dict.fromkeys(Line._fields[-7:]) if is_of_csv else {}
        tags = tuple(sorted(json.loads(line.tags or "{}").items()))
        line = line._replace(applied=elements_of(line.applied), tags=tags, **rest)
        lines[account].append(line)
        ids[account][line.key] = charge_id
    rows = {
        name: grouped(warehouse.rows(query), row_type)
        for name, query, row_type in (
            ("burn_down", BURN_DOWN, BurnDown),
            ("summaries", SUMMARIES, Summary),
            ("months", MONTHS, Month),
        )
    }
    return {
        account: Marts(
            Bill(lines[account], **{name: rows[name][account] for name in rows}),
            ids[account],
        )
        for account in lines
    }


def grouped(rows: Sequence[Sequence[Any]], row_type: Callable[..., Any]) -> dict[str, list[Any]]:
    """Group rows by their first column, the account."""
    groups = defaultdict(list)
    for account, *values in rows:
        groups[account].append(row_type(*values))
    return groups


def differences(zone: Zone, account: Account, expected: Bill, built: Bill) -> list[str]:
    """For each mart that differs, return lines with the first rows that only one side has."""
    found = []
    for mart in ("lines", "burn_down", "summaries", "months"):
        ours, theirs = Counter(getattr(expected, mart)), Counter(getattr(built, mart))
        if ours != theirs:
            only_ours, only_theirs = (ours - theirs).elements(), (theirs - ours).elements()
            found.append(f"zone {zone.seed}, account {account.alias}: {mart} differ")
            found += [f"  reference: {line}" for line in sorted(map(text, only_ours))[:SHOWN]]
            found += [f"  warehouse: {line}" for line in sorted(map(text, only_theirs))[:SHOWN]]
    return found


def text(row: Any) -> str:  # noqa: ANN401
    """Return a row as text, without empty fields and without trailing zeros."""

    def plain(value: object) -> object:
        if isinstance(value, Decimal):
            return f"{value.normalize():f}"
        if isinstance(value, datetime):
            return f"{value:%Y-%m-%dT%H:%M}"
        if isinstance(value, tuple):
            return [" ".join(str(plain(field)) for field in element) for element in value]
        return value

    fields = row._asdict().items()
    return ", ".join(f"{name}={plain(value)}" for name, value in fields if value not in (None, ()))


@pytest.fixture(scope="module")
def zones(pytestconfig: pytest.Config) -> list[Zone]:
    """As many zones as --zones, each from a seed of its own; the first seed is --zones-seed."""
    first = pytestconfig.getoption("--zones-seed")
    return [random_zone(str(first + number)) for number in range(pytestconfig.getoption("--zones"))]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, zones: list[Zone]) -> Path:
    """A copy of the project whose seeds have the accounts and commitments of all zones."""
    copy = tmp_path_factory.mktemp("zones") / "project"
    ignored = shutil.ignore_patterns(
        ".venv", ".git", "target", "sample", "*.duckdb", "__pycache__", "landing", "published", "logs"
    )
    shutil.copytree(ROOT, copy, ignore=ignored)
    write_seeds(copy / "seeds", [account for zone in zones for account in zone.accounts])
    return copy


def test_bills_of_random_zones_equal_the_reference(
    zones: list[Zone], project: Path, dbt: Callable[..., Warehouse]
) -> None:
    landing, path, seeds = project.parent / "landing", project.parent / "warehouse.duckdb", read_seeds()
    where = ("--project-dir", str(project), "--profiles-dir", str(project))

    def build(*arguments: str) -> Warehouse:
        return dbt(path, *arguments, *where, FAL_LANDING_DIR=landing)

    def land_and_compare(state: str, grain: str, *arguments: str) -> None:
        for zone in zones:
            for account in zone.accounts:
                write_account(landing, account)
        marts = read_marts(build("build", *NO_TESTS, *arguments))
        found = []
        for zone in zones:
            for account in zone.accounts:
                built = marts[account.alias]
                expected = bill_of(account, seeds, built.charge_ids, grain)
                found += differences(zone, account, expected, built.bill)
        assert not found, f"{state}:\n" + "\n".join(found)

    land_and_compare("first build", "day", *MARTS)
    for zone in zones:
        chance = random.Random(f"{zone.seed} changes")
        for account in zone.accounts:
            change_account(chance, account)
    land_and_compare("build of what changed", "day")
    build("test")
    land_and_compare("hourly charges", "hour", *MARTS, "--vars", "fal_charge_grain: hour")
