"""Usage of Serverless, snapshots of the catalogue, and events of teams: every digit, and nothing lost."""

import datetime
import shutil
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.end_to_end.conftest import Warehouse
from tests.end_to_end.landing_zone import (
    event,
    json_object,
    list_page,
    page,
    usage,
    usage_page,
    write_events,
    write_serverless_usage,
    write_snapshot,
)

Dbt = Callable[..., Warehouse]

DAY = datetime.date(2026, 1, 5)
EVENTS = "int_billing_event_usage__priced"
MODELS = ("--select", "staging", f"+{EVENTS}", "--exclude", "resource_type:unit_test")
# of the models above, whose parents are all built
TESTS = ("--indirect-selection", "cautious")
STRUCTURED = '{"detail": "Key 1", "api_key_id": "k1", "login_username": null}'


def write_usage(landing: Path) -> None:
    """Land a day of usage on several pages, readable and not, after a load that no longer counts."""
    write_serverless_usage(landing, "acme", "2026-01-05", [usage_page(d2026_01_05=[usage(app='"old"')])], "1")
    exact = usage(
        app="null",
        environment="null",
        is_surge="true",
        quantity="12345678901234567890.123456789",
        unit_price="0.000000000000345678",
        percent_discount="12.123456789",
        cost_subtotal="4267631.123456789012345678",
        cost_total="3750247.123456789012345678",
    )
    odd = (
        *(usage(**{field: None}) for field in ("machine_type", "quantity", "unit_price", "cost_total")),
        *(usage(quantity=value) for value in ('"many"', "true", "[1]", "1e400", "0.0000000001")),
        *(usage(cost_total=value) for value in ('"free"', "1e400", "1e10")),
        usage(unit_price="0.1234567890123456789"),
        usage(unit_price="1e7"),
        usage(percent_discount="101"),
        usage(is_surge='"no"', cost_total="2.5"),
        usage(currency='"EUR"'),
        '{"app": "a", "app": "b"}',
        *("null", "3", "[]"),
    )
    pages = [
        usage_page(d2026_01_05=[usage(), usage(), exact], d2026_01_04=[usage(cost_total="0.1")]),
        usage_page(d2026_01_05=[]),
        usage_page(d2026_01_05=odd),
        (b'{"time_series": [{"bucket": "2026-01-05"}, 7, {"bucket": "x", "results": []}]}', 0),
        (usage_page(d2026_01_05=[usage()])[0].replace(b"2026-01-05T00:00:00Z", b"today"), 1),
        (b"<html>502</html>", 5),
        (b'{"error": {"type": "server_error"}}', 0),
    ]
    write_serverless_usage(landing, "acme", "2026-01-05", pages, "2")
    # pretty-printed, with a null and an empty text, and numbers that are short
    body, rows = usage_page(d2026_01_06=[usage(percent_discount="null", app='""', unit_price="1e-3")])
    write_serverless_usage(landing, "acme", "2026-01-06", [(body.replace(b", ", b",\r\n\t"), rows)])


def write_snapshots(landing: Path) -> None:
    """Land snapshots with repeats, missing and odd fields, and a list that cannot be read."""
    key = {"key_id": '"k1"', "alias": '"Key 1"', "scope": '"API"', "created_at": '"2025-01-01T00:00:00Z"'}
    keys = (
        *(json_object(**key), json_object(**(key | {"alias": "null"}))),
        *(json_object(key_id="7", alias='""', created_at='"soon"'), json_object(alias='"x"'), "3", "null"),
        '{"key_id": "k2", "key_id": "k3"}',
    )
    write_snapshot(landing, "acme", "keys", "2026-01-04", [list_page("keys", json_object(**key))], "1")
    renamed = json_object(**(key | {"alias": '"Production"', "creator_email": '"ana@acme.example"'}))
    write_snapshot(landing, "acme", "keys", "2026-01-04", [list_page("keys", renamed)], "2")
    pages = [list_page("keys", *keys), list_page("keys", json_object(**key)), (b"<html>", 2)]
    write_snapshot(landing, "acme", "keys", "2026-01-05", pages)
    flux = json_object(display_name='"FLUX.1"', category='"text-to-image"', status='"deprecated"')
    models = (
        json_object(endpoint_id='"fal-ai/flux/dev"', metadata=flux),
        json_object(endpoint_id='"x"', metadata="3"),
    )
    write_snapshot(landing, "acme", "models", "2026-01-05", [list_page("models", *models)])
    price = {"endpoint_id": '"fal-ai/flux/dev"', "unit": '"image"', "currency": '"USD"'}
    prices = (
        json_object(unit_price="0.123456789012345678", **price),
        json_object(unit_price="0.1234567890123456789", **(price | {"endpoint_id": '"y"'})),
        json_object(unit_price="1", **(price | {"currency": '"EUR"'})),
        json_object(unit_price='"free"', **price),
    )
    write_snapshot(landing, "acme", "pricing", "2026-01-05", [list_page("prices", *prices)])
    team = json_object(username='"ads"', name='"Ads"', is_org_root="true")
    write_snapshot(landing, "acme", "teams", "2026-01-05", [list_page("teams", team, team)])
    balance = b'{"username": "acme", "credits": {"current_balance": %s, "currency": "USD"}}'
    digits = b"12345678901234567890.123456789012345678"
    write_snapshot(landing, "acme", "balance", "2026-01-05", [(balance % digits[2:], 1)])
    write_snapshot(landing, "acme", "balance", "2026-01-06", [(b'{"username": "acme"}', 1)])
    write_snapshot(landing, "acme", "balance", "2026-01-07", [(b"[]", 1)])


def write_teams(landing: Path) -> None:
    """Land a day of an account and of two teams, with the same load id, and an event of a team twice."""
    write_events(
        landing,
        "acme",
        "2026-01-05",
        [page(event("r1", auth_method='"Key 1"'), event("r2", auth_method_structured=STRUCTURED))],
    )
    of_team = event("r1", auth_method='"Renamed"', auth_method_structured=STRUCTURED)
    write_events(landing, "acme", "2026-01-05", [page(of_team)], team="ads")
    stated = event(
        "r3", username='"labs"', auth_method_structured='{"detail": "ana", "login_username": "ana"}'
    )
    write_events(landing, "acme", "2026-01-05", [page(stated), page("null")], team="research")


@pytest.fixture(scope="module")
def staged(tmp_path_factory: pytest.TempPathFactory, dbt: Dbt) -> Warehouse:
    """The staging models of all feeds, with their tests."""
    folder = tmp_path_factory.mktemp("feeds")
    for write in (write_usage, write_snapshots, write_teams):
        write(folder / "landing")
    return dbt(folder / "warehouse.duckdb", "build", *MODELS, *TESTS, FAL_LANDING_DIR=folder / "landing")


def test_usage_is_typed_to_the_last_digit(staged: Warehouse) -> None:
    """Without the rows whose meter does not fit."""
    columns = "app, environment, machine_type, is_surge, unit, quantity, unit_price_usd, percent_discount"
    costs = "cost_subtotal_usd, cost_discount_usd, cost_total_usd"
    rows = staged.rows(
        f"select charge_date, {columns}, {costs} from staging.stg_fal__serverless_usage"
        " where misfit_reason is null order by all"
    )
    usual: tuple[Any, ...] = ("my-app", "main", "GPU-H100", False, "second", 3600, Decimal("0.001"))
    amounts = (Decimal("3.6"), Decimal("0.36"), Decimal("3.24"))
    assert rows == [
        *2 * [(DAY, *usual, 10, *amounts)],
        (
            *(DAY, None, None, "GPU-H100", True, "second"),
            *map(Decimal, ("12345678901234567890.123456789", "0.000000000000345678", "12.123456789")),
            *map(Decimal, ("4267631.123456789012345678", "0.36", "3750247.123456789012345678")),
        ),
        (datetime.date(2026, 1, 6), None, *usual[1:], None, *amounts),
    ]


def test_usage_whose_meter_does_not_fit_keeps_its_cost(staged: Warehouse) -> None:
    assert staged.rows(
        "select row_number, misfit_reason, misfit_price, quantity is null, unit_price_usd is null,"
        " cost_total_usd from staging.stg_fal__serverless_usage where misfit_reason is not null order by all"
    ) == [
        (number, reason, price, no_quantity, no_price, Decimal("3.24"))
        for number, reason, price, no_quantity, no_price in (
            (2, "quantity is missing", None, True, False),
            (3, "unit_price is missing", None, False, True),
            (5, "quantity is not a number", None, True, False),
            (6, "quantity is not a number", None, True, False),
            (7, "quantity is not a number", None, True, False),
            (8, "quantity is too large", None, True, False),
            (9, "quantity has more than 9 decimals", None, True, False),
            (13, "unit_price has more than 18 decimals", "price 0.1234567890123456789", False, True),
            (14, "unit_price is 10 million USD or more", "price 10000000", False, True),
            (15, "percent_discount is beyond 100", "discount 101", False, False),
        )
    ]
    assert "WARN 8 warn_serverless_usage_fits" in staged.output


def test_usage_that_cannot_be_charged_is_in_quarantine_with_file_text_and_reason(staged: Warehouse) -> None:
    rows = staged.rows(
        "select landed_file[9:10], row_number, quarantine_reason"
        " from staging.stg_fal__serverless_usage_quarantine order by all"
    )
    unreadable = "the page is not a JSON document with a list of time_series"
    no_object = "the result is not a JSON object"
    assert rows == [
        ("01", 4, "bucket is outside the day of its load"),
        ("03", 1, "machine_type is missing"),
        ("03", 4, "cost_total is missing"),
        ("03", 10, "cost_total is not a number"),
        ("03", 11, "cost_total is too large"),
        ("03", 12, "cost_total is too large"),
        ("03", 16, "is_surge is not a boolean"),
        ("03", 17, "currency is not USD"),
        ("03", 18, "the result has a field twice"),
        *(("03", number, no_object) for number in (19, 20, 21)),
        ("04", 1, "the bucket has no list of results"),
        ("04", 2, "the bucket has no list of results"),
        ("05", 1, "bucket is not an ISO 8601 time"),
        ("06", 1, unreadable),
        ("07", 1, unreadable),
    ]
    # one for each reason
    assert "WARN 12 warn_serverless_usage_is_charged" in staged.output
    lost = "account acme · quarantine_reason {} · first_day 2026-01-05 · last_day 2026-01-05 · usage_rows {}"
    for reason, number, cost in (
        ("is_surge is not a boolean", 1, "2.5"),
        ("cost_total is too large", 2, "unknown"),
        ("bucket is outside the day of its load", 1, "0.1"),
    ):
        assert f"{lost.format(reason, number)} · cost_missing {cost}\n" in staged.output
    assert "WARN 1 warn_pages_are_readable" in staged.output
    raw = "select raw_result from staging.stg_fal__serverless_usage_quarantine where landed_file like"
    assert staged.value(f"{raw} '%6.json.gz'") == '"<html>502</html>"'


def test_the_noise_of_doubles_is_rounded_to_the_nano_dollar(tmp_path: Path, dbt: Dbt) -> None:
    costs = {
        "0.00032400000000000006": "0.000324",
        "3.2400000000000007e-4": "0.000324",
        "3599.9999999999995": "3600",
        "-0.30000000000000004": "-0.3",
        # whole nano-dollars, other digits of a double, and more digits than a double has
        "1234567.123456789": "1234567.123456789",
        "0.0000000001": "0.0000000001",
        "0.1234567890123456": "0.1234567890123456",
        "1.2345678901234567e-5": "0.000012345678901235",
        "0.300000000000000041": "0.300000000000000041",
    }
    usages = [usage(app=f'"{cost}"', cost_total=cost, quantity="3599.9999999999995") for cost in costs]
    write_serverless_usage(tmp_path / "landing", "acme", "2026-01-05", [usage_page(d2026_01_05=usages)])
    built = dbt(
        tmp_path / "warehouse.duckdb",
        *("build", "--select", "+int_charges__from_serverless_usage"),
        *("--exclude", "resource_type:test", "resource_type:unit_test"),
        FAL_LANDING_DIR=tmp_path / "landing",
    )
    rows = built.rows(
        "select split_part(ResourceId, ':', 1), PricingUnit, PricingQuantity, ConsumedUnit, ListUnitPrice,"
        " ListCost, ContractedCost, EffectiveCost, BilledCost"
        " from intermediate.int_charges__from_serverless_usage"
    )
    # 3.6 USD before a discount of 10 % is the quantity
    whole = ("USD", Decimal("3.6"), "USD", Decimal(1), Decimal("3.6"), Decimal("3.24"))
    assert {app: charge for app, *charge in rows} == {
        app: [*whole, Decimal(cost), Decimal(cost)] for app, cost in costs.items()
    }


def test_the_latest_snapshot_of_a_day_has_each_item_once(staged: Warehouse) -> None:
    keys = "select snapshot_date, key_id, key_alias, created_at, creator_email from staging.stg_fal__keys"
    made = datetime.datetime(2025, 1, 1)
    assert staged.rows(f"{keys} order by all") == [
        (datetime.date(2026, 1, 4), "k1", "Production", made, "ana@acme.example"),
        (DAY, "7", None, None, None),
        (DAY, "k1", "Key 1", made, None),
    ]
    assert staged.rows(
        "select * exclude (account, snapshot_date) from staging.stg_fal__models order by all"
    ) == [
        ("fal-ai/flux/dev", "FLUX.1", "text-to-image", "deprecated", None, None),
        ("x", None, None, None, None, None),
    ]
    assert staged.rows("select * exclude (account, snapshot_date) from staging.stg_fal__prices") == [
        ("fal-ai/flux/dev", "image", Decimal("0.123456789012345678"), "USD")
    ]
    assert staged.rows("select * exclude (account, snapshot_date) from staging.stg_fal__teams") == [
        ("ads", "Ads", True, None)
    ]
    assert staged.rows("select * from staging.stg_fal__balances") == [
        (
            "acme",
            DAY,
            datetime.datetime(2026, 3, 1),
            "acme",
            Decimal("345678901234567890.123456789012345678"),
            "USD",
        )
    ]


def test_items_that_cannot_be_used_warn_and_stop_no_build(staged: Warehouse) -> None:
    rows = staged.rows(
        "select source, strftime(snapshot_date, '%d'), landed_file[9:10], item_number, quarantine_reason"
        " from staging.stg_fal__catalogue_quarantine order by all"
    )
    assert rows == [
        ("balance", "06", "01", 1, "current_balance is missing"),
        ("balance", "07", "01", 1, "the page is not a JSON object"),
        ("keys", "05", "01", 4, "key_id is missing"),
        ("keys", "05", "01", 5, "the item is not a JSON object"),
        ("keys", "05", "01", 6, "the item is not a JSON object"),
        ("keys", "05", "01", 7, "the item has a field twice"),
        ("keys", "05", "03", 1, "the page is not a JSON document with a list of keys"),
        ("pricing", "05", "01", 2, "unit_price has more than 18 decimals"),
        ("pricing", "05", "01", 3, "currency is not USD"),
        ("pricing", "05", "01", 4, "unit_price is not a number"),
    ]
    assert "WARN 10 is_empty_stg_fal__catalogue_quarantine_" in staged.output


def test_an_event_has_its_key_person_and_team_and_counts_once(staged: Warehouse) -> None:
    rows = staged.rows(
        "select request_id, auth_method, api_key_id, login_username, team_username"
        " from intermediate.int_billing_events__deduplicated order by all"
    )
    assert rows == [
        ("r1", "Key 1", "k1", None, "ads"),
        ("r2", "Key 1", "k1", None, None),
        ("r3", "ana", None, "ana", "labs"),
    ]
    charges = f"select team_username, request_count, event_count from intermediate.{EVENTS} order by all"
    assert staged.rows(charges) == [("ads", 1, 1), ("labs", 1, 1), (None, 1, 1)]
    quarantined = "select landed_team, landed_file from staging.stg_fal__billing_events_quarantine"
    assert staged.rows(quarantined) == [("research", "page-00002.json.gz")]


def test_a_load_of_a_team_replaces_that_team_alone(tmp_path: Path, dbt: Dbt) -> None:
    landing, path = tmp_path / "landing", tmp_path / "warehouse.duckdb"
    write_teams(landing)

    def build() -> list[tuple[Any, ...]]:
        built = dbt(path, "run", "--select", f"+{EVENTS}", FAL_LANDING_DIR=landing)
        return built.rows(
            f"select team_username, sum(event_count) from intermediate.{EVENTS} group by all order by all"
        )

    assert build() == [("ads", 1), ("labs", 1), (None, 1)]
    write_events(landing, "acme", "2026-01-05", [page(event("r4"), event("r5"))], "2", team="ads")
    assert build() == [("ads", 2), ("labs", 1), (None, 2)]
    shutil.rmtree(landing / "billing_events" / "account=acme" / "team=research")
    assert build() == [("ads", 2), (None, 2)]


def test_a_warehouse_of_a_version_without_teams_is_rebuilt(tmp_path: Path, dbt: Dbt) -> None:
    landing, path = tmp_path / "landing", tmp_path / "warehouse.duckdb"
    write_events(landing, "acme", "2026-01-05", [page(event("r1", auth_method_structured=STRUCTURED))])
    dbt(path, "run", "--select", f"+{EVENTS}", FAL_LANDING_DIR=landing)
    new = ("api_key_id", "login_username", "team_username")
    with duckdb.connect(str(path)) as connection:
        for table, columns in {
            "staging.base_fal__typed_billing_events": (*new, "landed_team"),
            "staging.stg_fal__billing_event_days": ("landed_team",),
            f"intermediate.{EVENTS}": new,
        }.items():
            for column in columns:
                connection.execute(f"alter table {table} drop column {column}")
        # what an earlier version recorded as tested
        connection.execute(
            "create table staging.tested_loads as select account, landed_date, load_id"
            " from staging.base_fal__typed_billing_events"
        )
    built = dbt(path, "build", *MODELS, *TESTS, FAL_LANDING_DIR=landing)
    assert built.rows(f"select api_key_id, team_username, event_count from intermediate.{EVENTS}") == [
        ("k1", None, 1)
    ]
