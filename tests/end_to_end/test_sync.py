"""From a daily sync to the marts: an open month has the Compute that only estimates contain."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from loaders import clock
from loaders.cli import main
from tests.end_to_end.conftest import ONLY_NAMED_TESTS, Warehouse
from tests.fal_server import FalServer, Switches, World
from tests.fal_server.switches import LINES

FIRST_DAY = date(2026, 1, 5)
OPEN_MONTH = date(2026, 2, 1)
KEY = "secret-admin-key-0123456789"
SELECTED = ("--select", "+cost_and_usage", "+warn_compute_has_estimates", *ONLY_NAMED_TESTS)
USAGE = "ChargeCategory = 'Usage' and ChargeClass is null"


@dataclass(frozen=True)
class Account:
    """An account with all product lines, and its landing zone."""

    world: World
    landing: Path
    dbt: Callable[..., Warehouse]
    monkeypatch: pytest.MonkeyPatch

    def build(self) -> Warehouse:
        """Build what has landed."""
        path = self.landing.parent / "warehouse.duckdb"
        return self.dbt(path, "build", *SELECTED, FAL_LANDING_DIR=self.landing)

    def sync(self, now: datetime) -> None:
        """Run the sync of a day."""
        self.world.now = now
        self.monkeypatch.setattr(clock, "utc_now", lambda: now)
        assert main(["sync", "--since", str(FIRST_DAY)]) == 0


@pytest.fixture
def acme(tmp_path: Path, dbt: Callable[..., Warehouse], monkeypatch: pytest.MonkeyPatch) -> Iterator[Account]:
    """40 days of all product lines. The first sync is on a day that is not over, after the invoice."""
    world = World(
        seed=9,
        accounts={"acme": KEY},
        first_day=FIRST_DAY,
        days=40,
        events_per_day=100,
        switches=Switches(serverless=True, compute=True, surge=True, late_rows=True),
    )
    with FalServer(world) as server:
        settings = {"FAL_API_URL": server.url, "FAL_KEY": KEY, "FAL_ACCOUNT": "acme"}
        for name, value in (settings | {"FAL_LANDING_DIR": str(tmp_path / "landing")}).items():
            monkeypatch.setenv(name, value)
        for name in ("FAL_KEY_FILE", "FAL_ORGANIZATION"):
            monkeypatch.delenv(name, raising=False)
        account = Account(world, tmp_path / "landing", dbt, monkeypatch)
        account.sync(datetime(2026, 2, 5, 12, tzinfo=UTC))
        yield account


def test_sync_completes_the_bill_of_an_open_month_with_compute(acme: Account) -> None:
    estimates = acme.landing / "focus_reports/account=acme/source=estimate"
    assert [folder.name for folder in sorted(estimates.iterdir())] == [
        f"date=2026-02-0{day}" for day in range(1, 6)
    ]
    shutil.rmtree(estimates)
    before = acme.build()
    assert "WARN 1 warn_compute_has_estimates" in before.output
    finding = "account acme · days_without_estimate 5 · first_day 2026-02-01 · last_day 2026-02-05"
    assert finding in before.output

    acme.sync(datetime(2026, 2, 16, 12, tzinfo=UTC))
    after = acme.build()
    assert "WARN 1 warn_compute_has_estimates" not in after.output
    costs = dict(
        after.rows(
            "select x_ProductLine, sum(EffectiveCost) from focus.cost_and_usage"
            f" where {USAGE} and ChargePeriodStart >= '{OPEN_MONTH}' group by all"
        )
    )
    assert costs == {line: acme.world.cost("acme", line, since=OPEN_MONTH) for line in LINES}
    assert costs["compute"] > Decimal(0)
    sources = after.rows(
        "select distinct x_ProductLine, x_ChargeSource from focus.cost_and_usage"
        f" where {USAGE} and ChargePeriodStart >= '{OPEN_MONTH}' order by all"
    )
    assert sources == [
        ("compute", "estimate"),
        ("model_apis", "billing_events"),
        ("serverless", "serverless_usage"),
    ]
