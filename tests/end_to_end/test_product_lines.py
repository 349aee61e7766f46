"""From the fal API to the marts: 40 days with all three product lines and two teams, to the last digit."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.end_to_end.conftest import NO_TESTS, ONLY_NAMED_TESTS, Warehouse, load
from tests.fal_server import FalServer, Switches, Team, World
from tests.fal_server.switches import LINES

FIRST_DAY = date(2026, 1, 5)
OPEN_MONTH = date(2026, 2, 1)
END = FIRST_DAY + timedelta(days=40)
KEY = "secret-admin-key-0123456789"
SWITCHES = Switches(
    serverless=True,
    compute=True,
    surge=True,
    unnamed_app=True,
    late_rows=True,
    price_changes=True,
    renamed_key=True,
    deleted_key=True,
    deprecated_model=True,
)
MARTS = (
    "focus.cost_and_usage",
    "focus.contract_commitment",
    "finops.invoice_reconciliation",
    "finops.commitment_summary",
)
MODELS = ("--select", *(f"+{mart.partition('.')[2]}" for mart in MARTS))


@dataclass(frozen=True)
class Organization:
    """A world of one organization, its landing zone, and the builds of it."""

    world: World
    server: FalServer
    landing: Path
    dbt: Callable[..., Warehouse]

    def build(self, *arguments: str) -> Warehouse:
        """Build what has landed."""
        path = self.landing.parent / "warehouse.duckdb"
        return self.dbt(path, "build", *arguments, FAL_LANDING_DIR=self.landing)

    def load(self, *arguments: object) -> str:
        """Run python -m loaders for the organization acme."""
        settings = {"FAL_API_URL": self.server.url, "FAL_KEY": KEY, "FAL_ACCOUNT": "acme"}
        settings |= {"FAL_ORGANIZATION": "1", "FAL_LANDING_DIR": str(self.landing)}
        return load(*arguments, **settings).output

    def load_days(self) -> None:
        """Land events, Serverless usage and estimates of all days, and the catalogue."""
        days = ("--start", FIRST_DAY, "--end", END)
        self.load("billing-events", *days)
        self.load("serverless-usage", *days)
        self.load("focus-report", "--source", "estimate", *days)
        self.load("catalogue")

    def costs_by_line(self, since: date = FIRST_DAY) -> dict[str, Decimal]:
        """Exact cost of each product line since a day, as the server counts it."""
        return {line: self.world.cost("acme", line, since=since) for line in LINES}


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory, dbt: Callable[..., Warehouse]) -> Iterator[Organization]:
    """40 days of two teams: renamed and deleted keys, changed prices, apps, surge and instances."""
    world = World(
        seed=5,
        accounts={"acme": KEY},
        first_day=FIRST_DAY,
        days=40,
        events_per_day=150,
        switches=SWITCHES,
        teams={"acme": [Team("acme", "Acme"), Team("acme-video", "Video")]},
    )
    world.now += timedelta(days=2)  # late rows have appeared
    with FalServer(world) as server:
        landing = tmp_path_factory.mktemp("lines") / "landing"
        organization = Organization(world, server, landing, dbt)
        organization.load_days()
        yield organization


@pytest.fixture(scope="module")
def warehouse(acme: Organization) -> Warehouse:
    """The bill while both months are open."""
    return acme.build()


def costs_by_line(warehouse: Warehouse, since: date = FIRST_DAY) -> dict[str, Decimal]:
    """Effective cost of ordinary usage by product line since a day."""
    usage = f"ChargeCategory = 'Usage' and ChargeClass is null and ChargePeriodStart >= '{since}'"
    query = f"select x_ProductLine, sum(EffectiveCost) from focus.cost_and_usage where {usage} group by all"
    return dict(warehouse.rows(query))


def test_each_product_line_costs_the_same_as_on_the_server(acme: Organization, warehouse: Warehouse) -> None:
    costs = acme.costs_by_line()
    assert min(costs.values()) > 0
    assert costs_by_line(warehouse) == costs


def test_each_team_costs_the_same_as_on_the_server(acme: Organization, warehouse: Warehouse) -> None:
    teams = warehouse.rows(
        "select SubAccountName, sum(EffectiveCost) from focus.cost_and_usage"
        " where x_ChargeSource = 'billing_events' group by all order by all"
    )
    assert teams == [
        ("Acme", acme.world.cost("acme", "model_apis", team="acme")),
        ("Video", acme.world.cost("acme", "model_apis", team="acme-video")),
    ]


def test_a_renamed_key_keeps_its_owner(warehouse: Warehouse) -> None:
    keys = warehouse.rows(
        "select x_ApiKeyId, list(distinct x_AuthMethod order by x_AuthMethod), list(distinct Tags ->> 'Team')"
        " from focus.cost_and_usage where x_ApiKeyId is not null group by all"
        " having count(distinct x_AuthMethod) > 1"
    )
    # one key of each team
    assert [tuple(key[1:]) for key in keys] == 2 * [(["Key 1", "imaging key"], ["Imaging"])]


def test_apps_machines_and_surge_are_charged_apart(warehouse: Warehouse) -> None:
    surge, unnamed, units = warehouse.rows(
        "select count_if(SkuId like '% surge') > 0, count_if(ResourceId is null) > 0,"
        " list(distinct PricingUnit)"
        " from focus.cost_and_usage where x_ChargeSource = 'serverless_usage'"
    )[0]
    assert (surge, unnamed, units) == (True, True, ["Seconds"])


def test_loading_everything_again_changes_no_number(acme: Organization, warehouse: Warehouse) -> None:
    before = {mart: warehouse.rows(f"from {mart} order by all") for mart in MARTS}
    acme.load_days()
    again = acme.build(*MODELS, *NO_TESTS)
    assert {mart: again.rows(f"from {mart} order by all") for mart in MARTS} == before


def test_a_month_closes_with_its_invoice(acme: Organization) -> None:
    acme.load("focus-report", "--source", "invoice", "--billing-month", "2026-02")
    closed = acme.build(*MODELS, *NO_TESTS)
    billed = closed.exact("select sum(BilledCost) from focus.cost_and_usage where x_ChargeSource = 'invoice'")
    assert billed == acme.world.invoice_total("acme", "2026-02", organization=True)
    text = acme.world.invoice_csv("acme", "2026-02", organization=True).decode()
    invoiced = defaultdict[str, Decimal](Decimal)
    for row in csv.DictReader(io.StringIO(text)):
        if row["ChargeCategory"] == "Usage" and not row["ChargeClass"]:
            invoiced[row["ServiceName"]] += Decimal(row["EffectiveCost"])
    january = closed.rows(
        "select ServiceName, sum(EffectiveCost) from focus.cost_and_usage where ChargeCategory = 'Usage'"
        " and ChargeClass is null and ChargePeriodStart < '2026-02-01' group by all"
    )
    assert dict(january) == invoiced
    assert len(january) == len(LINES)
    assert costs_by_line(closed, OPEN_MONTH) == acme.costs_by_line(OPEN_MONTH)


def test_an_estimate_with_other_names_is_not_counted_twice(acme: Organization) -> None:
    acme.world.switches = replace(SWITCHES, display_names=True, vague_lines=True)
    acme.load("focus-report", "--source", "estimate", "--start", OPEN_MONTH, "--end", END)
    renamed = acme.build(*MODELS, "warn_usage_has_a_product_line", *ONLY_NAMED_TESTS)
    costs = acme.costs_by_line(OPEN_MONTH)
    compute = costs.pop("compute")
    assert costs_by_line(renamed, OPEN_MONTH) == costs
    # Display names are those of models. All other rows are set aside, since none has a product line: those of
    # apps and instances, and of the endpoint that the catalogue does not have.
    ((set_aside,),) = renamed.rows(
        "select unattributed_usage_usd from finops.invoice_reconciliation where charge_month = '2026-02-01'"
    )
    unknown = [
        event.cost
        for team in acme.world.members("acme")
        for event in acme.world.events(team.username, OPEN_MONTH)
        if event.endpoint_id == "acme-inc/private-lora-app"
    ]
    assert set_aside == costs["serverless"] + compute + sum(unknown)
    assert "seeds/fal_product_lines.csv" in renamed.output
