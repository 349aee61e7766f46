"""The local fal server follows fal's API reference."""

import csv
import io
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import httpx
import pytest

from tests.fal_server import FAULTS, LINES, FalServer, Invoice, Oddities, Switches, Team, World
from tests.fal_server.__main__ import build_parser, fault, keep_time, make_world, refusal, team
from tests.fal_server.catalogue import DEPRECATED, LAUNCHED, LISTED, METER_OF, NEW_PRICES, Meter
from tests.fal_server.episodes import BATCH_AGE, BATCH_METER, LAUNCH_AGE, LEAK_AGE, LEAK_METER
from tests.fal_server.reports import default_timeframe
from tests.fal_server.sample import CREDITS
from tests.fal_server.sample import make_world as make_world_of_sample
from tests.fal_server.usage import LATE
from tests.loaders.conftest import KEY

Get = Callable[..., httpx.Response]

LISTS = {
    "/keys": "keys",
    "/models": "models",
    "/models/pricing": "prices",
    "/organization/teams": "teams",
    "/models/usage": "time_series",
    "/serverless/usage": "time_series",
    "/organization/usage": "time_series",
}
NEW_CALLS = [*LISTS, "/account/billing", "/organization/billing-events", "/organization/focus"]
ALL_LINES = Switches(serverless=True, compute=True, surge=True)
DAY = {"start": "2026-01-31", "end": "2026-02-01", "timeframe": "day"}


@pytest.fixture
def get(server: FalServer) -> Iterator[Get]:
    """GET a path with a valid key."""
    with httpx.Client() as client:

        def get(path: str, key: str = f"Key {KEY}", **params: object) -> httpx.Response:
            headers = {"Authorization": key}
            return client.get(server.url + path, params=params, headers=headers)

        yield get


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
@pytest.mark.parametrize("path", ["/models/billing-events", "/account/focus", *NEW_CALLS])
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


def test_a_world_can_be_described_on_the_command_line() -> None:
    lines = (
        "--switch",
        "serverless",
        "--switch",
        "compute",
        "--team",
        "acme-video=Video",
        "--credits",
        "7.5",
    )
    rights = ("--no-admin", "--refuse", "/keys=404", "--no-focus-reports")
    world = make_world(build_parser().parse_args(["--first-day", "2026-01-01", *lines, *rights]))
    assert world.switches == Switches(serverless=True, compute=True)
    assert world.teams == {"acme": [Team("acme", "Acme"), Team("acme-video", "Video")]}
    assert world.credits == {"acme": Decimal("7.5")}
    assert world.not_admin == world.non_enterprise == {"acme"}
    assert world.refused == {"/keys": 404}
    plain = make_world(build_parser().parse_args(["--first-day", "2026-01-01"]))
    assert (plain.switches, plain.teams, plain.not_admin, plain.refused) == (Switches(), {}, set(), {})
    assert team("acme-video") == Team("acme-video", "acme-video")
    for wrong in ("keys=404", "/keys", "/keys=500"):
        with pytest.raises(ValueError):
            refusal(wrong)


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


# ---------------------------------------------------------------- keys, models, prices, balance


def list_rows(get: Get, path: str, **params: object) -> list[dict[str, Any]]:
    """Return all rows of a list or of the buckets of a series, numbers as texts."""
    found: list[dict[str, Any]] = []
    if LISTS[path] == "time_series":
        params["expand"] = "time_series"
    while True:
        answer = get(path, **params)
        assert answer.status_code == 200, answer.text
        page = json.loads(answer.text, parse_float=str, parse_int=str)
        for item in page[LISTS[path]]:
            is_bucket = "bucket" in item
            found += [{"bucket": item["bucket"], **row} for row in item["results"]] if is_bucket else [item]
        if not page["has_more"]:
            assert page["next_cursor"] is None
            return found
        params["cursor"] = page["next_cursor"]


def total(found: list[dict[str, Any]], name: str) -> Decimal:
    """Sum a number of all rows."""
    return sum((Decimal(row[name]) for row in found), Decimal(0))


@pytest.fixture
def acme(world: World) -> World:
    """The world with all product lines and two teams."""
    world.switches = ALL_LINES
    world.teams = {"acme": [Team("acme", "Acme"), Team("acme-video", "Video")]}
    return world


ENDPOINTS = ",".join(meter.endpoint_id for meter in LISTED)


@pytest.mark.parametrize("path", LISTS)
def test_every_list_pages(get: Get, server: FalServer, acme: World, path: str) -> None:
    acme.oddities = Oddities()
    params = {"/models/pricing": {"endpoint_id": ENDPOINTS}}.get(path, {})
    params |= DAY if LISTS[path] == "time_series" else {}
    whole = list_rows(get, path, **params)
    assert len(whole) >= 2
    assert list_rows(get, path, **params, limit=len(whole) // 2) == whole
    server.page_cap = len(whole) - 1
    assert list_rows(get, path, **params, limit=1000) == whole
    assert refused(get(path, **params, limit="0")) == (400, "validation_error")
    assert refused(get(path, **params, cursor="???")) == (400, "validation_error")


@pytest.mark.parametrize("fault", ["empty_page", "larger_page"])
@pytest.mark.parametrize("path", LISTS)
def test_every_list_has_unusual_pages(
    get: Get, server: FalServer, acme: World, path: str, fault: str
) -> None:
    acme.oddities = Oddities()
    params = {"endpoint_id": "fal-ai/flux/dev"} if path.startswith("/models/") else {}
    params |= DAY if LISTS[path] == "time_series" else {}
    whole = list_rows(get, path, **params)
    server.faults.append(FAULTS[fault]())
    assert whole and list_rows(get, path, **params) == whole
    server.faults.append(FAULTS["no_events"]())
    if LISTS[path] == "time_series":
        params["expand"] = "time_series"
    assert LISTS[path] not in get(path, **params).json()
    assert LISTS[path] in get(path, **params).json()


@pytest.mark.parametrize("path", ["/models", "/models/pricing"])
def test_endpoints_are_asked_for_by_up_to_50_ids(get: Get, path: str) -> None:
    asked = ["fal-ai/veo3", "acme-inc/private-lora-app", *(f"fal-ai/{number}" for number in range(48))]
    assert [row["endpoint_id"] for row in list_rows(get, path, endpoint_id=asked)] == ["fal-ai/veo3"]
    assert refused(get(path, endpoint_id=[*asked, "fal-ai/one-more"])) == (400, "validation_error")
    assert refused(get(path, endpoint_id="")) == (400, "validation_error")


def test_prices_require_ids_and_models_do_not(get: Get) -> None:
    assert refused(get("/models/pricing")) == (400, "validation_error")
    assert len(list_rows(get, "/models")) == len(LISTED)


def test_models_can_be_searched(get: Get, world: World) -> None:
    assert {row["endpoint_id"] for row in list_rows(get, "/models", q="FLUX1.1")} == {"fal-ai/flux-pro/v1.1"}
    assert {row["metadata"]["category"] for row in list_rows(get, "/models", category="llm")} == {"llm"}
    assert list_rows(get, "/models", status="deprecated") == []
    world.switches = Switches(deprecated_model=True)
    (model,) = list_rows(get, "/models", status="deprecated")
    assert model["endpoint_id"] == DEPRECATED
    assert len(list_rows(get, "/models", status="active")) == len(LISTED) - 1
    assert refused(get("/models", status="old")) == (400, "validation_error")


def test_a_model_becomes_deprecated(get: Get, world: World) -> None:
    world.switches = Switches(deprecated_model=True)
    found = {}
    for now in (world.changed_at - timedelta(seconds=1), world.changed_at):
        world.now = now
        (model,) = list_rows(get, "/models", endpoint_id=DEPRECATED)
        found[now] = model["metadata"]["status"]
    assert list(found.values()) == ["active", "deprecated"]


def test_an_unknown_endpoint_may_be_refused(get: Get, world: World) -> None:
    world.switches = Switches(unknown_endpoints=True)
    for path in ("/models", "/models/pricing"):
        assert refused(get(path, endpoint_id="fal-ai/veo3,fal-ai/none")) == (404, "not_found")
        assert len(list_rows(get, path, endpoint_id="fal-ai/veo3")) == 1


def test_a_key_is_renamed_and_another_deleted(get: Get, world: World) -> None:
    world.oddities = Oddities()
    world.switches = Switches(renamed_key=True, deleted_key=True)
    after, aliases = world.now, []
    for now in (world.changed_at - timedelta(seconds=1), after):
        world.now = now
        aliases.append({row["key_id"]: row["alias"] for row in list_rows(get, "/keys")})
    assert list(aliases[0].values()) == ["Key 1", "Key 2", "prod key", "admin key"]
    assert list(aliases[1].values()) == ["imaging key", "prod key", "admin key"]
    assert set(aliases[1]) < set(aliases[0])
    window = {"start": "2026-01-25", "end": "2026-02-06", "expand": "auth_method,auth_method_structured"}
    for event in events(get, **window):
        structured = event["auth_method_structured"]
        is_old = event["timestamp"] < "2026-01-31T12:00"
        assert structured["detail"] == event["auth_method"]
        if event["auth_method"] is None:
            assert structured["api_key_id"] is None and structured["login_username"] == "ada"
        else:
            assert aliases[0 if is_old else 1][structured["api_key_id"]] == event["auth_method"]
    (renamed,) = [key_id for key_id, alias in aliases[1].items() if alias == "imaging key"]
    found = events(get, **window, api_key_id=renamed)
    assert {event["auth_method"] for event in found} == {"Key 1", "imaging key"}


def test_a_team_keeps_its_own_keys_when_one_is_renamed_and_another_deleted(acme: World) -> None:
    acme.oddities = Oddities()

    def ids() -> dict[str | None, set[str | None]]:
        found: dict[str | None, set[str | None]] = {}
        for event in acme.events("acme-video"):
            found.setdefault(event.auth_method, set()).add(event.api_key_id)
        return found

    before = ids()
    acme.switches = Switches(renamed_key=True, deleted_key=True)
    after = ids()
    assert after.pop("imaging key") == after["Key 1"]
    assert after == before
    uses = [event.at for event in acme.events("acme-video") if event.auth_method == "Key 2"]
    assert max(uses) < acme.changed_at


@pytest.mark.parametrize(
    ("switch", "first", "last", "count", "used"),
    [
        ("launch", LAUNCH_AGE, timedelta(0), 50, (LAUNCHED, "prod key")),
        ("batch_run", BATCH_AGE, BATCH_AGE, 200, (BATCH_METER, None)),
        ("leaked_key", LEAK_AGE, LEAK_AGE, 500, (LEAK_METER, "Key 1")),
    ],
)
def test_an_episode_adds_requests_and_changes_no_others(
    switch: str, first: timedelta, last: timedelta, count: int, used: tuple[Meter, str | None]
) -> None:
    teams = {"acme": [Team("acme", "Acme"), Team("acme-video", "Video")]}
    usual, world = (
        World(seed=3, events_per_day=100, teams=teams, switches=Switches(**switches))
        for switches in ({}, {switch: True})
    )
    meter, label = used
    for day in world.all_days():
        before, after = usual.day_events("acme", day), world.day_events("acme", day)
        added = [event for event in after if event not in before]
        is_unusual = first >= world.last_day - day >= last
        assert [event for event in after if event not in added] == before
        assert len(added) == (count if is_unusual else 0)
        assert all((event.endpoint_id, event.auth_method) == (meter.endpoint_id, label) for event in added)
    assert world.events("acme-video") == usual.events("acme-video")


def test_creators_of_keys_are_shown_only_when_asked_for(get: Get) -> None:
    plain, with_creator = list_rows(get, "/keys")[0], list_rows(get, "/keys", expand="creator_info")[0]
    assert set(plain) == {"key_id", "alias", "scope", "created_at"}
    assert set(with_creator) - set(plain) == {"creator_nickname", "creator_email"}
    assert refused(get("/keys", expand="everything")) == (400, "validation_error")


def test_prices_change_within_a_day(get: Get, acme: World) -> None:
    before = acme.cost("acme")
    acme.switches = replace(ALL_LINES, price_changes=True)
    assert acme.cost("acme") != before
    prices: dict[str, set[str]] = {}
    for event in acme.day_events("acme", acme.changed_at.date()):
        if event.endpoint_id in NEW_PRICES and event.unit_price and event.output_units:
            prices.setdefault(event.endpoint_id, set()).add(event.unit_price)
    old_and_new = {METER_OF["fal-ai/flux/dev"].unit_price, NEW_PRICES["fal-ai/flux/dev"]}
    assert old_and_new <= prices["fal-ai/flux/dev"]
    (price,) = list_rows(get, "/models/pricing", endpoint_id="fal-ai/flux/dev")
    assert price == {
        "endpoint_id": "fal-ai/flux/dev",
        "unit_price": "0.03",
        "unit": "megapixel",
        "currency": "USD",
    }
    acme.now = acme.changed_at - timedelta(seconds=1)
    assert list_rows(get, "/models/pricing", endpoint_id="fal-ai/flux/dev")[0]["unit_price"] == "0.025"
    acme.now = acme.changed_at + timedelta(days=1)
    seconds = {
        row["unit_price"]
        for row in list_rows(get, "/serverless/usage", **DAY)
        if row["machine_type"] == "GPU-H100" and not row["is_surge"]
    }
    assert seconds == {"0.000525", "0.0005"}


def test_the_balance_is_what_remains_of_the_credits(get: Get, acme: World) -> None:
    assert get("/account/billing").json()["username"] == "acme"
    assert "credits" not in get("/account/billing").json()
    acme.credits["acme"] = Decimal(5000)
    answer = json.loads(get("/account/billing", expand="credits").text, parse_float=str, parse_int=str)
    assert Decimal(answer["credits"]["current_balance"]) == 5000 - acme.cost("acme")
    acme.credits["acme"] = Decimal(1)
    assert get("/account/billing", expand="credits").json()["credits"]["current_balance"] == 0
    assert refused(get("/account/billing", expand="everything")) == (400, "validation_error")


# ---------------------------------------------------------------- usage of the product lines


@pytest.mark.parametrize("path", ["/models/usage", "/serverless/usage", "/organization/usage"])
@pytest.mark.parametrize(
    "params",
    [
        {"expand": "everything"},
        {"start": "soon"},
        {"start": "2025-10-01", "end": "2026-01-01"},
        {"timeframe": "year"},
        {"timezone": "Mars/Olympus"},
        {"bound_to_timeframe": "yes"},
    ],
)
def test_a_wrong_usage_parameter_gets_400(get: Get, acme: World, path: str, params: dict[str, Any]) -> None:
    assert refused(get(path, **params)) == (400, "validation_error")
    assert refused(get("/organization/usage", product="gifts")) == (400, "validation_error")


def test_serverless_usage_ties_with_the_world(get: Get, acme: World) -> None:
    acme.oddities = Oddities()
    window = {"start": "2026-01-25", "end": "2026-02-06", "timeframe": "day"}
    found = list_rows(get, "/serverless/usage", **window)
    assert total(found, "cost_total") == acme.cost("acme", "serverless") > 0
    for row in found:
        assert Decimal(row["cost_subtotal"]) == Decimal(row["unit_price"]) * Decimal(row["quantity"])
        assert Decimal(row["cost_subtotal"]) - Decimal(row["cost_discount"]) == Decimal(row["cost_total"])
        assert row["unit"] == "second" and row["currency"] == "USD"
    grain = ("bucket", "app", "environment", "machine_type", "unit_price", "percent_discount", "is_surge")
    keys = Counter(tuple(row[name] for name in grain) for row in found)
    assert max(keys.values()) == 1
    acme.switches = Switches()
    assert list_rows(get, "/serverless/usage", **window) == []


def test_usage_is_shown_only_when_asked_for(get: Get, acme: World) -> None:
    for path in ("/serverless/usage", "/organization/usage", "/models/usage"):
        assert "time_series" not in get(path).json()
    acme.switches = Switches()
    answer = get("/serverless/usage", **DAY, expand="time_series").json()
    assert answer["time_series"] == [{"bucket": "2026-01-31T00:00:00Z", "results": []}]


def test_usage_comes_in_buckets_of_a_time_zone(get: Get, acme: World) -> None:
    acme.oddities = Oddities()
    window = {**DAY, "timezone": "Asia/Kolkata"}
    whole = list_rows(get, "/serverless/usage", **window)
    buckets = ["2026-01-31T00:00:00+05:30", "2026-02-01T00:00:00+05:30"]
    assert sorted({row["bucket"] for row in whole}) == buckets
    clipped = list_rows(get, "/serverless/usage", **window, bound_to_timeframe="false")
    assert {row["bucket"] for row in clipped} == {"2026-01-31T05:30:00+05:30", buckets[1]}
    day = date(2026, 1, 31)
    assert total(clipped, "cost_total") == acme.cost("acme", "serverless", day, day + timedelta(days=1))
    hours = list_rows(get, "/serverless/usage", **{**DAY, "timeframe": "hour"})
    assert total(hours, "cost_total") == total(clipped, "cost_total")
    assert len({row["bucket"] for row in hours}) == 24


def test_usage_repeats_on_two_pages_while_rows_shift(get: Get, acme: World) -> None:
    found = list_rows(get, "/serverless/usage", **{**DAY, "timeframe": "hour"}, limit=20)
    assert max(Counter(map(json.dumps, found)).values()) == 2


@pytest.mark.parametrize("switch", ["surge", "unnamed_app"])
def test_apps_may_be_odd(get: Get, acme: World, switch: str) -> None:
    def names(wanted: Switches) -> set[tuple[object, ...]]:
        acme.switches = wanted
        found = list_rows(get, "/serverless/usage", **DAY)
        return {(row["app"], row["environment"], row["is_surge"]) for row in found}

    tidy = names(Switches(serverless=True))
    assert all(app and environment and not is_surge for app, environment, is_surge in tidy)
    more = names(replace(Switches(serverless=True), **{switch: True})) - tidy
    odd = {"surge": {("image-pipeline", "main", True)}}
    assert more == odd.get(switch, {(None, None, False), ("image-pipeline", None, False)})


def test_late_usage_appears_after_some_time(get: Get, acme: World) -> None:
    day, end = date(2026, 1, 31), datetime(2026, 2, 1, tzinfo=UTC)
    acme.switches = replace(ALL_LINES, late_rows=True)
    seen = []
    for acme.now in (end, end + LATE):
        found = list_rows(get, "/serverless/usage", **DAY)
        seen.append({row["app"] for row in found})
        cost = acme.cost("acme", "serverless", day, end.date())
        assert total(found, "cost_total") == cost
    assert seen[1] - seen[0] == {"lora-trainer"}
    acme.switches = ALL_LINES
    assert acme.cost("acme", "serverless", day, end.date()) == cost


def test_usage_of_models_ties_with_the_events(get: Get, acme: World) -> None:
    acme.oddities = Oddities(cost_only=True, nulls=True, units_without_price=True)
    found = list_rows(get, "/models/usage", **DAY)
    day = date(2026, 1, 31)
    assert total(found, "cost_total") == acme.total_cost("acme", day, day + timedelta(days=1))
    expand = "summary,auth_method,auth_method_structured"
    by_key = get("/models/usage", **DAY, expand=expand).json()["summary"]
    assert len(by_key) > len(found)
    assert {"auth_method", "auth_method_structured"} <= set(by_key[0])
    one = list_rows(get, "/models/usage", **DAY, endpoint_id="fal-ai/flux/dev")
    assert one == [row for row in found if row["endpoint_id"] == "fal-ai/flux/dev"] != []


# ---------------------------------------------------------------- reports of the product lines


def line_of(row: dict[str, str]) -> str:
    """Return the product line of a row of a report, from its service."""
    services = {"fal Model APIs": "model_apis", "fal Serverless": "serverless", "fal Compute": "compute"}
    return services.get(row["ServiceName"], "")


def billed(found: list[dict[str, str]], line: str) -> Decimal:
    """Sum what the ordinary usage of a line costs."""
    usage = [row for row in found if row["ChargeCategory"] == "Usage" and not row["ChargeClass"]]
    return sum((Decimal(row["BilledCost"]) for row in usage if line_of(row) == line), Decimal(0))


@pytest.mark.parametrize("path", ["/account/focus", "/organization/focus"])
def test_reports_hold_rows_of_all_product_lines(get: Get, acme: World, path: str) -> None:
    acme.switches = replace(ALL_LINES, unnamed_app=True, price_changes=True)
    team = "acme" if path == "/account/focus" else None
    invoice = rows_of(get(path, source="invoice", billing_month="2026-02").content)
    estimate = rows_of(get(path, source="estimate", **{**DAY, "end": "2026-02-02"}).content)
    for line in LINES:
        teams = team if line == "model_apis" else None
        months = (acme.first_day, date(2026, 2, 1))
        assert billed(invoice, line) == acme.cost("acme", line, *months, team=teams) > 0
        days = (date(2026, 1, 31), date(2026, 2, 2))
        assert billed(estimate, line) == acme.cost("acme", line, *days, team=teams) > 0
    compute = [row for row in estimate if line_of(row) == "compute"]
    assert all(row["SkuId"].startswith("type: gpu_") and row["ResourceType"] == "Instance" for row in compute)
    apps = [row for row in estimate if line_of(row) == "serverless"]
    assert {"GPU-H100", "GPU-H100 surge"} <= {row["SkuId"] for row in apps}
    assert {"", "image-pipeline", "image-pipeline:main"} <= {row["ResourceId"] for row in apps}


def test_the_total_of_an_organizations_invoice_counts_each_row_once(get: Get, acme: World) -> None:
    found = rows_of(get("/organization/focus", source="invoice", billing_month="2026-02").content)
    assert sum(Decimal(row["BilledCost"]) for row in found) == acme.invoice_total(
        "acme", "2026-02", organization=True
    )
    assert sum(row["ChargeCategory"] == "Tax" for row in found) == 1


@pytest.mark.parametrize(
    ("switch", "lines"),
    [("display_names", {"model_apis"}), ("vague_lines", {"serverless", "compute"})],
)
def test_estimates_may_not_identify_a_product_line(
    get: Get, acme: World, switch: str, lines: set[str]
) -> None:
    named = rows_of(get("/account/focus", source="estimate", **DAY).content)
    acme.switches = replace(ALL_LINES, **{switch: True})
    found = rows_of(get("/account/focus", source="estimate", **DAY).content)
    assert {line_of(row) for row in named} - {line_of(row) for row in found} == lines
    assert total(found, "BilledCost") == total(named, "BilledCost")
    columns = ("ServiceName", "ServiceCategory", "ServiceSubcategory", "ResourceType", "SkuId", "ResourceId")
    known = {row[name] for row in named for name in columns if row[name] and line_of(row) in lines}
    vague = [row for row in found if line_of(row) == ""]
    assert len(vague) == sum(line_of(row) in lines for row in named)
    assert not known & {row[name] for row in vague for name in columns if row[name] != "private-lora-app"}
    invoice = rows_of(get("/account/focus", source="invoice", billing_month="2026-02").content)
    assert {line_of(row) for row in invoice} == set(LINES)


# ---------------------------------------------------------------- organizations


def test_teams_are_listed_with_their_root(get: Get, acme: World) -> None:
    found = list_rows(get, "/organization/teams")
    assert [(row["username"], row["name"], row["is_org_root"]) for row in found] == [
        ("acme", "Acme", True),
        ("acme-video", "Video", False),
    ]
    assert set(found[0]) == {"username", "name", "is_org_root", "created_at"}


def organization_events(get: Get, **params: object) -> list[dict[str, Any]]:
    """Return all events of an organization, without the repeats of shifted pages."""
    found: dict[str, dict[str, Any]] = {}
    while True:
        page = json.loads(get("/organization/billing-events", **params).text, parse_float=str, parse_int=str)
        assert len(page["billing_events"]) <= 100
        found |= {json.dumps(row): row for row in page["billing_events"]}
        if not page["has_more"]:
            return list(found.values())
        params["cursor"] = page["next_cursor"]


def test_events_of_an_organization_are_those_of_its_teams(get: Get, acme: World) -> None:
    window = {"start": "2026-01-25", "end": "2026-02-06", "limit": 10_000, "expand": "auth_method_structured"}
    found = organization_events(get, **window)
    times = [row["timestamp"][:19] for row in found]
    assert times == sorted(times, reverse=True)
    for username in ("acme", "acme-video"):
        of_team = organization_events(get, **window, team_username=username)
        assert of_team == [row for row in found if row["username"] == username]
        nanos = total(of_team, "cost_estimate_nano_usd")
        assert nanos.scaleb(-9) == acme.cost("acme", "model_apis", team=username) > 0
    assert total(found, "cost_estimate_nano_usd").scaleb(-9) == acme.cost("acme", "model_apis")
    keys = {
        username: {
            row["auth_method_structured"]["api_key_id"] for row in found if row["username"] == username
        }
        for username in ("acme", "acme-video")
    }
    assert keys["acme"] & keys["acme-video"] == {None}
    assert organization_events(get, **window, team_username="nobody") == []
    own = events(get, start="2026-01-26", end="2026-01-27", limit=1000)
    assert {row["request_id"] for row in own} < {row["request_id"] for row in found}
    assert "username" not in own[0]


def test_reports_of_an_organization_name_the_team(get: Get, acme: World) -> None:
    answer = get("/organization/focus", source="estimate", **DAY)
    found = rows_of(answer.content)
    assert answer.content == get("/account/focus", source="estimate", expand="organization", **DAY).content
    assert {(row["SubAccountId"], row["SubAccountName"], line_of(row)) for row in found} == {
        ("cus_acme", "Acme", "model_apis"),
        ("cus_acme-video", "Video", "model_apis"),
        ("", "", "serverless"),
        ("", "", "compute"),
    }
    assert {row["BillingAccountId"] for row in found} == {"fal-acme"}
    video = rows_of(get("/organization/focus", source="estimate", team_username="acme-video", **DAY).content)
    assert video == [row for row in found if row["SubAccountName"] == "Video"]
    wrong = {"source": "invoice", "billing_month": "2026-02", "team_username": "acme-video"}
    assert refused(get("/organization/focus", **wrong)) == (400, "validation_error")
    missing = get("/organization/focus", source="invoice", billing_month="2027-01")
    assert refused(missing) == (404, "not_found")
    own = rows_of(get("/account/focus", source="estimate", **DAY).content)
    assert "SubAccountId" not in own[0]


def test_usage_of_an_organization_ties_for_each_product(get: Get, acme: World) -> None:
    acme.oddities = Oddities(cost_only=True)
    window = {"start": "2026-01-25", "end": "2026-02-06", "timeframe": "day"}
    found = list_rows(get, "/organization/usage", **window)
    for line in LINES:
        of_line = list_rows(get, "/organization/usage", **window, product=line)
        assert {row["product"] for row in of_line} == {line}
        assert total(of_line, "cost") == acme.cost("acme", line)
        assert sorted(map(str, of_line)) == sorted(str(row) for row in found if row["product"] == line)
    assert {row["username"] for row in found} == {"acme", "acme-video"}
    assert any(row["endpoint_id"] == "type: gpu_1x_h100_sxm5 (trainer-1)" for row in found)


# ---------------------------------------------------------------- rights


@pytest.mark.parametrize("path", NEW_CALLS)
def test_a_key_without_rights_is_refused(get: Get, acme: World, path: str) -> None:
    params = {"source": "estimate", "endpoint_id": "fal-ai/veo3", **DAY}
    is_of_organization = path.startswith("/organization/")
    assert get(path, **params).status_code == 200
    acme.not_admin.add("acme")
    for_admins = is_of_organization or path in ("/keys", "/serverless/usage")
    assert get(path, **params).status_code == (403 if for_admins else 200)
    acme.not_admin.clear()
    acme.teams.clear()
    assert get(path, **params).status_code == (403 if is_of_organization else 200)
    for status, kind in ((401, "authorization_error"), (403, "authorization_error"), (404, "not_found")):
        acme.refused[path] = status
        assert refused(get(path, **params)) == (status, kind)


def test_the_structured_form_of_the_key_may_be_refused(get: Get, acme: World) -> None:
    acme.switches = Switches(no_structured_auth=True)
    for path in ("/models/billing-events", "/organization/billing-events"):
        both = get(path, expand="auth_method,auth_method_structured")
        assert refused(both) == (400, "validation_error")
        assert get(path, expand="auth_method").status_code == 200


def test_switches_leave_the_rest_of_a_world_unchanged(world: World) -> None:
    before = world.events("acme")
    world.switches = ALL_LINES
    assert world.events("acme") == before
    world.plain_accounts.add("acme")
    assert world.cost("acme") == world.total_cost("acme")
    same = World(seed=7, days=3, switches=ALL_LINES, events_per_day=5)
    assert same.costs("acme") == World(seed=7, days=3, switches=ALL_LINES, events_per_day=5).costs("acme")
    assert {line for _, line in same.costs("acme")} == set(LINES)
    assert sum(same.costs("acme").values()) == same.cost("acme")


def test_the_samples_invoice_bills_what_its_credits_do_not_cover() -> None:
    world = make_world_of_sample()
    found = rows_of(world.invoice_csv("acme", "2026-10", organization=True))
    usage = [row for row in found if row["ChargeCategory"] == "Usage" and not row["ChargeClass"]]
    covered = total(usage, "EffectiveCost") - total(usage, "BilledCost")
    assert covered == min(CREDITS, total(usage, "EffectiveCost"))
    assert total(usage, "EffectiveCost") == world.cost("acme", until=date(2026, 10, 1))
    assert total(usage, "BilledCost") > 0
    assert world.switches_of("studio") == Switches()
