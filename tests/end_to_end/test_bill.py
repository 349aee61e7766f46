"""From the fal API to the marts: 40 days with every oddity, to the last digit."""

import csv
import io
import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.conftest import NO_TESTS, Warehouse, load
from tests.fal_server import FalServer, World

FIRST_DAY = date(2026, 1, 5)
DAYS = 40
OPEN_MONTH = date(2026, 2, 1)
ESTIMATED_DAY = date(2026, 2, 12)
KEY = "secret-admin-key-0123456789"

CHANGED_DAY = date(2026, 2, 3)
# of each mart, the rows that another cost of that day does not change
UNCHANGED = {
    "focus.cost_and_usage": f"cast(ChargePeriodStart as date) <> '{CHANGED_DAY}'",
    "focus.contract_commitment": "true",
    "finops.invoice_reconciliation": f"charge_month <> '{OPEN_MONTH}'",
}
MODELS = ("--select", "+cost_and_usage", "+contract_commitment", "+invoice_reconciliation", *NO_TESTS)
COST_OF_THE_DAY = (
    "select sum(EffectiveCost) from focus.cost_and_usage"
    f" where cast(ChargePeriodStart as date) = '{CHANGED_DAY}'"
)
COST_OF_THE_MONTH = (
    f"select event_usage_usd from finops.invoice_reconciliation where charge_month = '{OPEN_MONTH}'"
)


@dataclass(frozen=True)
class Bill:
    """A world, its landing zone, and the warehouse built from it."""

    world: World
    server: FalServer
    landing: Path
    warehouse: Warehouse
    dbt: Callable[..., Warehouse]

    def load(self, *arguments: object) -> str:
        """Run python -m loaders for the account acme."""
        settings = {"FAL_API_URL": self.server.url, "FAL_KEY": KEY, "FAL_ACCOUNT": "acme"}
        return load(*arguments, FAL_LANDING_DIR=self.landing, **settings).output

    def load_all(self) -> str:
        """Load January's invoice and all days; the last day has an estimate in place of events."""
        end = FIRST_DAY + timedelta(days=DAYS - 1)
        return (
            self.load("billing-events", "--start", FIRST_DAY, "--end", end, "--page-size", 700)
            + self.load("focus-report", "--source", "invoice", "--billing-month", "2026-02")
            + self.load(
                "focus-report", "--source", "estimate", "--start", end - timedelta(days=1), "--end", end
            )
            + self.load(
                "focus-report", "--source", "estimate", "--start", end, "--end", end + timedelta(days=1)
            )
        )


@pytest.fixture(scope="module")
def bill(tmp_path_factory: pytest.TempPathFactory, dbt: Callable[..., Warehouse]) -> Iterator[Bill]:
    """40 days × 2,000 events, January 2026 closed by its invoice, February open."""
    landing = tmp_path_factory.mktemp("bill") / "landing"
    world = World(
        seed=11, accounts={"acme": KEY}, first_day=FIRST_DAY, days=DAYS, events_per_day=2000, oddities=True
    )
    with FalServer(world) as server:
        empty = Bill(world, server, landing, Warehouse(landing, ""), dbt)
        output = empty.load_all()
        assert KEY not in output
        built = dbt(landing.parent / "warehouse.duckdb", "build", FAL_LANDING_DIR=landing)
        yield Bill(world, server, landing, built, dbt)


def invoice(bill: Bill) -> list[dict[str, str]]:
    """January's invoice, as the server writes it."""
    text = bill.world.invoice_csv("acme", "2026-02").decode()
    return list(csv.DictReader(io.StringIO(text)))


def test_every_event_is_staged_and_each_counts_once(bill: Bill) -> None:
    landed = bill.warehouse.value(
        "select sum(landed_rows) from staging.stg_fal__landed_files where feed = 'billing_events'"
    )
    staged = bill.warehouse.value("select count(*) from staging.stg_fal__billing_events")
    distinct = bill.world.events("acme", until=ESTIMATED_DAY + timedelta(days=1))
    deduplicated = bill.warehouse.value("select count(*) from intermediate.int_billing_events__deduplicated")
    assert landed == staged
    assert deduplicated == len(
        {(e.request_id, e.endpoint_id, e.at, e.unit_price, e.output_units) for e in distinct}
    )
    assert staged > deduplicated, "no page repeated an event: the test proves nothing"


def test_all_events_cost_the_same_as_on_the_server(bill: Bill) -> None:
    total = bill.warehouse.exact(
        "select sum(cost_nano_usd) from intermediate.int_billing_events__deduplicated"
    )
    assert total == bill.world.total_cost("acme", until=ESTIMATED_DAY + timedelta(days=1)) * 10**9


def test_rows_from_events_cost_the_same_as_on_the_server(bill: Bill) -> None:
    total = bill.warehouse.exact(
        "select sum(EffectiveCost) from focus.cost_and_usage where x_ChargeSource = 'billing_events'"
    )
    assert total == bill.world.total_cost("acme", since=OPEN_MONTH, until=ESTIMATED_DAY + timedelta(days=1))
    assert total > 0


def test_a_closed_month_equals_its_invoice_to_the_last_digit(bill: Bill) -> None:
    expected: dict[tuple[str, str | None], Decimal] = defaultdict(Decimal)
    for row in invoice(bill):
        expected[row["ChargeCategory"], row["ChargeClass"] or None] += Decimal(row["BilledCost"])
    found = {
        (category, charge_class): billed
        for category, charge_class, billed in bill.warehouse.rows(
            "select ChargeCategory, ChargeClass, sum(BilledCost) from focus.cost_and_usage"
            " where x_ChargeSource = 'invoice' group by all"
        )
    }
    assert found == expected
    assert set(found) == {("Usage", None), ("Usage", "Correction"), ("Credit", None), ("Tax", None)}
    assert sum(found.values()) == bill.world.invoice_total("acme", "2026-02")


def test_no_event_of_a_closed_month_is_in_the_mart(bill: Bill) -> None:
    assert bill.warehouse.rows(
        "select distinct x_ChargeSource, ChargeClass from focus.cost_and_usage"
        " where ChargePeriodStart < '2026-02-01' order by all"
    ) == [("invoice", "Correction"), ("invoice", None)]


def test_a_day_without_events_comes_from_the_estimate(bill: Bill) -> None:
    sources = bill.warehouse.rows(
        "select cast(ChargePeriodStart as date), x_ChargeSource, sum(BilledCost) from focus.cost_and_usage"
        " where ChargePeriodStart >= '2026-02-12' group by all order by all"
    )
    day, after = ESTIMATED_DAY, ESTIMATED_DAY + timedelta(days=1)
    assert sources == [
        (day, "billing_events", bill.world.total_cost("acme", since=day, until=after)),
        (after, "estimate", bill.world.total_cost("acme", since=after)),
    ]


def test_the_reconciliation_shows_the_invoice_beside_the_events(bill: Bill) -> None:
    ((status, invoiced, events, difference, credits, taxes, corrections, total),) = bill.warehouse.rows(
        "select status, invoiced_usage_usd, event_usage_usd, invoice_minus_events_usd, credits_usd,"
        " taxes_usd, corrections_usd, invoiced_total_usd from finops.invoice_reconciliation"
        " where charge_month = '2026-01-01'"
    )
    usage = [r for r in invoice(bill) if r["ChargeCategory"] == "Usage" and not r["ChargeClass"]]
    by_category = {
        r["ChargeCategory"]: Decimal(r["BilledCost"]) for r in invoice(bill) if not r["ChargeClass"]
    }
    assert status == "closed"
    assert invoiced == sum(Decimal(r["EffectiveCost"]) for r in usage)
    assert events == bill.world.total_cost("acme", until=OPEN_MONTH)
    assert difference == invoiced - events
    assert credits == by_category["Credit"]
    assert taxes == by_category["Tax"]
    assert corrections == 0, "the correction is of December"
    ((december, correction),) = bill.warehouse.rows(
        "select invoiced_total_usd, corrections_usd from finops.invoice_reconciliation"
        " where charge_month = '2025-12-01'"
    )
    assert december == correction
    assert total + december == bill.world.invoice_total("acme", "2026-02")


def test_an_event_in_the_mart_can_be_traced_to_its_requests(bill: Bill) -> None:
    rows = bill.warehouse.rows(
        "select sum(x_RequestCount) > 0, count(distinct x_AuthMethod) > 3 from focus.cost_and_usage"
        " where x_ChargeSource = 'billing_events'"
    )
    assert rows == [(True, True)]


def test_the_key_is_in_no_file(bill: Bill) -> None:
    files = [path for path in [*bill.landing.rglob("*"), bill.warehouse.path] if path.is_file()]
    assert len(files) > DAYS
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []
    assert KEY not in bill.warehouse.output


def test_loading_everything_again_changes_only_the_day_that_has_other_events(bill: Bill) -> None:
    """The superseded loads stay until a prune, which changes no number."""

    def read_unchanged() -> dict[str, list[tuple[Any, ...]]]:
        """Rows of the marts that depend on no event of the day."""
        return {
            mart: bill.warehouse.rows(f"from {mart} where {condition} order by all")
            for mart, condition in UNCHANGED.items()
        }

    def build() -> tuple[dict[str, list[tuple[Any, ...]]], Decimal, Decimal]:
        """Return the unchanged rows, the cost of the day, and the cost of the events of its month."""
        bill.dbt(bill.warehouse.path, "build", *MODELS, FAL_LANDING_DIR=bill.landing)
        day_cost, month_cost = (bill.warehouse.exact(cost) for cost in (COST_OF_THE_DAY, COST_OF_THE_MONTH))
        return read_unchanged(), day_cost, month_cost

    before, month = read_unchanged(), bill.warehouse.exact(COST_OF_THE_MONTH)
    assert all(before.values())
    loads = len(list(bill.landing.rglob("load=*")))
    partition = bill.landing / "billing_events" / "account=acme" / f"date={CHANGED_DAY}"
    superseded = {path for path in partition.rglob("*") if path.is_file()}
    after = CHANGED_DAY + timedelta(days=1)
    old = bill.world.total_cost("acme", since=CHANGED_DAY, until=after)
    assert bill.warehouse.exact(COST_OF_THE_DAY) == old
    bill.world.amend("acme", CHANGED_DAY, events=1234)
    new = bill.world.total_cost("acme", since=CHANGED_DAY, until=after)
    assert new != old
    bill.load_all()
    assert len(list(bill.landing.rglob("load=*"))) == 2 * loads
    assert build() == (before, new, month - old + new)
    assert superseded and all(path.exists() for path in superseded)

    # a prune keeps loads that were superseded less than six hours ago, since a build could be reading them
    bill.load("prune")
    assert all(path.exists() for path in superseded)
    for manifest in bill.landing.rglob("manifest.json"):
        os.utime(manifest, (0, 0))
    bill.load("prune")
    assert not any(path.exists() for path in superseded)
    invoices = list(bill.landing.glob("focus_reports/account=*/source=invoice/billing_month=*"))
    assert len(list(bill.landing.rglob("load=*"))) == loads + len(invoices)
    assert build() == (before, new, month - old + new)
