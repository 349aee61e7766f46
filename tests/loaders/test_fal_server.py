"""The local fal server follows fal's API reference."""

import csv
import io
import json
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.fal_server import FAULTS, FalServer, Invoice, Oddities, World
from tests.fal_server.__main__ import fault, keep_time
from tests.fal_server.reports import default_timeframe
from tests.loaders.conftest import KEY

Get = Callable[..., httpx.Response]


@pytest.fixture
def get(server: FalServer) -> Get:
    """GET a path with a valid key."""

    def get(path: str, key: str = f"Key {KEY}", **params: object) -> httpx.Response:
        return httpx.get(server.url + path, params=params, headers={"Authorization": key})

    return get


def events(get: Get, **params: object) -> list[dict[str, Any]]:
    """Return all rows of a pull with repeats, numbers as texts."""
    rows: list[dict[str, Any]] = []
    while True:
        page = json.loads(get("/models/billing-events", **params).text, parse_float=str, parse_int=str)
        rows += page["billing_events"]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            return rows
        params["cursor"] = page["next_cursor"]


def refused(answer: httpx.Response) -> tuple[int, str]:
    """Return the status and the type of an error in fal's format."""
    error = answer.json()["error"]
    assert set(error) == {"type", "message", "docs_url", "request_id"}
    return answer.status_code, error["type"]


@pytest.mark.parametrize("key", ["Key wrong", KEY, f"Bearer {KEY}", ""])
@pytest.mark.parametrize("path", ["/models/billing-events", "/account/focus"])
def test_a_wrong_key_gets_401(get: Get, path: str, key: str) -> None:
    assert refused(get(path, key)) == (401, "authorization_error")


@pytest.mark.parametrize(
    "params",
    [
        {"start": "soon"},
        {"start": "2026-01-27", "end": "2026-01-26"},
        {"start": "2025-10-01", "end": "2026-01-01"},
        {"limit": "0"},
        {"limit": "ten"},
        {"cursor": "???"},
        {"expand": "everything"},
        {"endpoint_id": ""},
        {"request_id": [str(number) for number in range(51)]},
        {"endpoint_id": ",".join(str(number) for number in range(51))},
    ],
)
def test_a_wrong_parameter_gets_400(get: Get, params: dict[str, Any]) -> None:
    assert refused(get("/models/billing-events", **params)) == (400, "validation_error")


@pytest.mark.parametrize(
    "params",
    [
        {},
        {"source": "bill"},
        {"source": "invoice"},
        {"source": "invoice", "billing_month": "2026-02", "charge_month": "2026-01"},
        {"source": "invoice", "billing_month": "February"},
        {"source": "estimate", "timeframe": "year"},
        {"source": "estimate", "expand": "auth_method"},
        {"source": "invoice", "billing_month": "2026-02", "expand": "everything"},
        {"source": "estimate", "timezone": "Mars/Olympus"},
        {"source": "estimate", "bound_to_timeframe": "yes"},
        {"source": "estimate", "start": "2025-10-01", "end": "2026-01-01"},
    ],
)
def test_a_wrong_report_parameter_gets_400(get: Get, params: dict[str, Any]) -> None:
    assert refused(get("/account/focus", **params)) == (400, "validation_error")


def test_events_come_newest_first_with_an_exclusive_end(get: Get, world: World) -> None:
    rows = events(get, start="2026-01-26", end="2026-01-28")
    times = [row["timestamp"][:19] for row in rows]
    assert times == sorted(times, reverse=True)
    assert len(rows) == 120
    assert not any(time.startswith("2026-01-28") for time in times)


def test_the_default_window_is_the_last_24_hours(get: Get) -> None:
    times = [row["timestamp"] for row in events(get)]
    assert times and min(times) >= "2026-02-04T12:00" and max(times) < "2026-02-05T12:00"


def test_auth_method_is_returned_only_on_request(get: Get) -> None:
    plain = events(get, start="2026-01-26", end="2026-01-27")[0]
    label = events(get, start="2026-01-26", end="2026-01-27", expand="auth_method")[0]
    both = events(get, start="2026-01-26", end="2026-01-27", expand="auth_method,auth_method_structured")[0]
    assert set(label) - set(plain) == {"auth_method"}
    assert set(both) - set(plain) == {"auth_method", "auth_method_structured"}
    assert set(both["auth_method_structured"]) == {"detail", "api_key_id", "login_username"}


def test_filters_take_lists_and_repeats(get: Get) -> None:
    window = {"start": "2026-01-26", "end": "2026-02-01"}
    ids = ["fal-ai/flux/dev", "fal-ai/veo3"]
    by_list = events(get, **window, endpoint_id=",".join(ids))
    assert by_list == events(get, **window, endpoint_id=ids)
    assert {row["endpoint_id"] for row in by_list} == set(ids)
    one = by_list[0]["request_id"]
    assert {row["request_id"] for row in events(get, **window, request_id=one)} == {one}
    assert all(
        row["auth_method"] is None
        for row in events(get, **window, expand="auth_method", login_username="ada")
    )


def test_rows_shift_between_page_requests(get: Get) -> None:
    rows = [json.dumps(row) for row in events(get, start="2026-01-26", end="2026-01-27", limit=20)]
    repeats = Counter(Counter(rows).values())
    assert repeats == {1: 51, 2: 9}


def test_a_world_without_oddities_has_none() -> None:
    world = World(days=8, events_per_day=200, oddities=False)
    for event in world.events("acme"):
        assert event.unit_price is not None and event.output_units is not None
        exact = Decimal(event.unit_price) * Decimal(event.output_units) * 10**9
        kept = 1 - Decimal(event.percent_discount or 0) / 100
        assert exact * kept == event.cost_nano_usd
    assert len({event.request_id for event in world.events("acme")}) == 8 * 200
    assert world.empty_day is None


def test_every_oddity_occurs() -> None:
    world = World(days=10, events_per_day=2000)
    rows = world.events("acme")
    assert len(rows) == 9 * 2000
    prices = {event.unit_price for event in rows}
    assert {"3.33e-05", "0.123456789012345678", "1e-18", None, "0"} <= prices
    assert {None, "12345678901234567890"} <= {event.output_units for event in rows}
    assert {None, "0", "10", "12.5", "100"} <= {event.percent_discount for event in rows}
    assert max(Counter(event.request_id for event in rows).values()) == 2
    assert any(event.unit_price is None and event.output_units for event in rows)
    assert any(event.unit_price and event.output_units is None for event in rows)
    assert any(event.cost_nano_usd == 0 for event in rows)
    assert any("🚀" in (event.auth_method or "") for event in rows)
    assert any(event.more_json for event in rows)
    assert {True, False} == {event.with_millis for event in rows}
    assert world.empty_day is not None and world.day_events("acme", world.empty_day) == []


def test_one_oddity_can_be_switched_on_alone() -> None:
    world = World(days=8, events_per_day=300, oddities=Oddities(two_meters=True))
    counts = Counter(Counter(event.request_id for event in world.events("acme")).values())
    assert counts[2] > 10 and set(counts) == {1, 2}


def test_identities_are_distinct_with_any_oddities() -> None:
    identities = Counter(
        (event.request_id, event.endpoint_id, event.timestamp, event.unit_price, event.output_units)
        for event in World(days=10, events_per_day=2000).events("acme")
    )
    assert max(identities.values()) == 1


def test_the_costs_of_all_events_agree_with_the_total(get: Get, world: World) -> None:
    rows = events(get, start="2026-01-25", end="2026-02-06")
    assert Decimal(sum(int(row["cost_estimate_nano_usd"]) for row in rows)).scaleb(-9) == world.total_cost(
        "acme"
    )
    for row in rows:
        assert Decimal(row["cost_total"]).scaleb(9) == int(row["cost_estimate_nano_usd"])
        assert Decimal(row["cost_subtotal"]) - Decimal(row["cost_discount"]) == Decimal(row["cost_total"])


def test_future_events_and_invoices_are_not_returned(get: Get, world: World) -> None:
    world.now = datetime(2026, 1, 30, tzinfo=UTC)
    assert events(get, start="2026-01-30", end="2026-02-06") == []
    assert refused(get("/account/focus", source="invoice", billing_month="2026-02")) == (404, "not_found")


def test_a_day_can_be_given_other_content(world: World) -> None:
    day = date(2026, 1, 26)
    before = world.day_events("acme", day)
    world.amend("acme", day)
    after = world.day_events("acme", day)
    assert len(after) == len(before) and not set(after) & set(before)


def test_an_invoice_can_have_the_events_before_an_amendment(world: World) -> None:
    before = world.invoice_csv("acme", "2026-02")
    world.amend("acme", date(2026, 1, 26), events=5, invoiced=False)
    assert world.invoice_csv("acme", "2026-02") == before
    world.amend("acme", date(2026, 1, 27), events=5)
    assert world.invoice_csv("acme", "2026-02") != before


def rows_of(body: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(body.decode(), newline="")))


def test_an_invoice_ties_with_the_events_and_has_credit_tax_and_correction(get: Get, world: World) -> None:
    answer = get("/account/focus", source="invoice", charge_month="2026-01")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content == get("/account/focus", source="invoice", billing_month="2026-02").content
    rows = rows_of(answer.content)
    usage = [row for row in rows if row["ChargeCategory"] == "Usage" and not row["ChargeClass"]]
    cost = sum(Decimal(row["BilledCost"]) for row in usage)
    assert cost == world.total_cost("acme", date(2026, 1, 1), date(2026, 2, 1))
    (credit,) = [row for row in rows if row["ChargeCategory"] == "Credit"]
    (tax,) = [row for row in rows if row["ChargeCategory"] == "Tax"]
    (correction,) = [row for row in rows if row["ChargeClass"] == "Correction"]
    assert Decimal(credit["BilledCost"]) < 0 and Decimal(correction["BilledCost"]) < 0
    assert correction["ChargePeriodStart"].startswith("2025-12")
    net = cost + Decimal(credit["BilledCost"]) + Decimal(correction["BilledCost"])
    assert Decimal(tax["BilledCost"]) == net / 5
    assert net + Decimal(tax["BilledCost"]) == world.invoice_total("acme", "2026-02")
    assert {row["BillingPeriodStart"] for row in rows} == {"2026-01-01T00:00:00Z"}


def test_every_amount_fits_the_decimals_of_a_cost_column(world: World) -> None:
    for row in rows_of(World(days=40, events_per_day=300).invoice_csv("acme", "2026-02")):
        for name in ("BilledCost", "ListCost", "ContractedCost", "ContractedUnitPrice", "ListUnitPrice"):
            assert -Decimal(row[name] or 0).as_tuple().exponent <= 18
        assert -Decimal(row["PricingQuantity"] or 0).as_tuple().exponent <= 9


def test_an_invoice_can_cover_some_days_and_be_split_in_two(world: World) -> None:
    world.invoice_months["2026-02"] = Invoice(days=(date(2026, 1, 25), date(2026, 1, 29)), parts=2)
    rows = rows_of(world.invoice_csv("acme", "2026-02"))
    usage = [row for row in rows if row["ChargeCategory"] == "Usage" and not row["ChargeClass"]]
    assert max(row["ChargePeriodEnd"] for row in usage) <= "2026-01-29T00:00:00Z"
    assert {row["InvoiceId"] for row in rows} == {"INV-acme-2026-02-1", "INV-acme-2026-02-2"}


def test_a_key_without_enterprise_gets_403_only_on_reports(get: Get, world: World) -> None:
    world.non_enterprise.add("acme")
    assert refused(get("/account/focus", source="estimate")) == (403, "authorization_error")
    assert get("/models/billing-events").status_code == 200


def test_estimates_are_bucketed_in_the_time_zone_and_stated_in_utc(get: Get, world: World) -> None:
    params = {"source": "estimate", "start": "2026-01-26", "end": "2026-01-27", "timeframe": "day"}
    rows = rows_of(get("/account/focus", **params, timezone="Asia/Kolkata").content)
    assert {row["ChargePeriodStart"] for row in rows} == {"2026-01-25T18:30:00Z", "2026-01-26T18:30:00Z"}
    clipped = rows_of(
        get("/account/focus", **params, timezone="Asia/Kolkata", bound_to_timeframe="false").content
    )
    assert min(row["ChargePeriodStart"] for row in clipped) == "2026-01-26T00:00:00Z"
    assert max(row["ChargePeriodEnd"] for row in clipped) == "2026-01-27T00:00:00Z"
    billed = sum(Decimal(row["BilledCost"]) for row in clipped)
    assert billed == world.total_cost("acme", date(2026, 1, 26), date(2026, 1, 27))


@pytest.mark.parametrize(
    "params",
    [
        {"source": "invoice", "billing_month": "2026-02"},
        {"source": "estimate", "start": "2026-01-26", "end": "2026-01-27"},
    ],
    ids=["invoice", "estimate"],
)
def test_an_organization_is_reported_over_all_its_teams(
    get: Get, world: World, params: dict[str, str]
) -> None:
    world.accounts["bolt"] = "key-bolt"
    teams = [
        rows_of(get("/account/focus", f"Key {key}", **params).content) for key in world.accounts.values()
    ]
    whole = rows_of(get("/account/focus", **params, expand="organization").content)
    assert whole == teams[0] + teams[1]
    assert {row["BillingAccountId"] for row in whole} == {"fal-acme", "fal-bolt"}


def test_a_page_has_fewer_rows_with_expansions(get: Get, server: FalServer) -> None:
    server.page_cap, server.expanded_page_cap = 50, 20
    window = {"start": "2026-01-26", "end": "2026-01-27"}
    assert len(get("/models/billing-events", **window).json()["billing_events"]) == 50
    expanded = get("/models/billing-events", **window, limit=40, expand="auth_method").json()
    assert len(expanded["billing_events"]) == 20
    assert len(events(get, **window, expand="auth_method")) > 60


def test_faults_can_be_named_on_the_command_line() -> None:
    assert fault("cut_chunked").delivery == FAULTS["cut_chunked"]().delivery
    assert all(fault(f"{name}:2").times == 2 for name in FAULTS)
    for wrong in ("Fault", "server_error:often", "altered"):
        with pytest.raises(ValueError):
            fault(wrong)


def test_the_clock_runs_and_new_days_begin(world: World) -> None:
    done = threading.Event()
    clock = threading.Thread(target=keep_time, args=(world, done, 0.01))
    began = datetime.now(UTC)
    clock.start()
    while world.days == 12 and datetime.now(UTC) < began + timedelta(seconds=5):
        done.wait(0.01)
    done.set()
    clock.join()
    assert began <= world.now <= datetime.now(UTC)
    assert world.last_day == world.now.date()


@pytest.mark.parametrize(
    ("hours", "timeframe"),
    [
        (1.9, "minute"),
        (2, "hour"),
        (47, "hour"),
        (48, "day"),
        (63 * 24, "day"),
        (64 * 24, "week"),
        (183 * 24, "month"),
    ],
)
def test_the_default_timeframe_follows_the_range(hours: float, timeframe: str) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    end = datetime.fromtimestamp(start.timestamp() + hours * 3600, UTC)
    assert default_timeframe(start, end) == timeframe
