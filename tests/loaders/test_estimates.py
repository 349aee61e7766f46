"""Estimates in a sync: which days land, and how many requests that takes."""

import csv
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from loaders import estimates
from tests.fal_server import FalServer, Fault, Invoice, Request, Switches, Team, World
from tests.loaders.conftest import Loads, Run, day_of

pytestmark = pytest.mark.slow

SetClock = Callable[[datetime], None]
NOW = datetime(2026, 2, 5, 12, tzinfo=UTC)
SYNC = ("sync", "--since", "2026-01-25")
FEBRUARY = [f"2026-02-0{day}" for day in range(1, 6)]
ESTIMATES = "focus_reports/account=acme/source=estimate"
NONE_NEEDED = "estimates of open months: none, since events contain all of 5 days"


@pytest.fixture
def compute(world: World) -> World:
    """Acme runs instances."""
    world.switches = Switches(compute=True)
    return world


def is_estimate(request: Request) -> bool:
    return request.one("source") == "estimate"


def asked(server: FalServer) -> list[tuple[str, str, str]]:
    """Return start, end and timeframe of the requests for estimates, sorted, and clear all requests."""
    found = [request for request in server.requests if is_estimate(request)]
    server.requests.clear()
    return sorted(
        ((request.one("start") or "")[:10], (request.one("end") or "")[:10], request.one("timeframe") or "")
        for request in found
    )


def days(first: str, last: str) -> list[tuple[str, str, str]]:
    """Return what `asked` returns for requests of single days."""
    start, end = date.fromisoformat(first), date.fromisoformat(last)
    return [
        (str(start + timedelta(days=n)), str(start + timedelta(days=n + 1)), "day")
        for n in range((end - start).days + 1)
    ]


def landed(loads: Loads) -> list[str]:
    """Return the days of the landed estimates."""
    return [load.manifest["partition"] for load in loads(f"{ESTIMATES}/*")]


# ---------------------------------------------------------------- how many requests


def test_an_account_whose_events_contain_everything_needs_one_request_a_sync(
    run: Run, server: FalServer, loads: Loads
) -> None:
    for _ in range(2):
        result = run(*SYNC)
        assert (result.code, result.err.count("estimate")) == (0, 0)
        assert result.out.splitlines()[1] == NONE_NEEDED
        assert asked(server) == [("2026-02-01", "2026-02-06", "month")]
    assert landed(loads) == []


def test_the_range_is_not_extended_to_whole_months(run: Run, server: FalServer) -> None:
    run("sync", "--since", "2026-02-03")
    (request,) = filter(is_estimate, server.requests)
    assert (request.one("start"), request.one("end")) == ("2026-02-03T00:00:00Z", "2026-02-06T00:00:00Z")
    assert (request.one("timezone"), request.one("bound_to_timeframe")) == ("UTC", "false")


def test_the_days_of_an_open_month_land_for_an_account_with_compute(
    run: Run, server: FalServer, loads: Loads, compute: World
) -> None:
    compute.invoice_months["2026-02"] = None
    result = run("sync", "--since", "2026-02-01")
    assert (result.code, result.errors) == (0, [])
    assert result.out.splitlines()[1] == "estimates of open months: 5 days: 5 missing"
    assert " estimate rows" in result.out.splitlines()[2]
    assert landed(loads) == FEBRUARY
    requests = [*days("2026-02-01", "2026-02-05"), ("2026-02-01", "2026-02-06", "month")]
    assert asked(server) == sorted(requests)
    assert loads(f"{ESTIMATES}/date=2026-02-03")[0].manifest["request"] == {
        "source": "estimate",
        "start": "2026-02-03T00:00:00Z",
        "end": "2026-02-04T00:00:00Z",
        "timezone": "UTC",
        "timeframe": "day",
    }


def test_days_are_fetched_again_like_those_of_events_once_estimates_have_landed(
    run: Run, server: FalServer, loads: Loads, compute: World, set_clock: SetClock
) -> None:
    run(*SYNC)
    asked(server)
    result = run("sync")
    assert result.out.splitlines()[1] == "estimates of open months: 4 days: 1 open, 3 unsettled"
    assert asked(server) == days("2026-02-02", "2026-02-05")
    compute.days = 20
    compute.switches = Switches()
    set_clock(NOW + timedelta(days=5))
    result = run("sync")
    assert "acme since 2026-01-25: 9 days: 5 missing, 1 open, 3 unsettled; " in result.out
    assert result.out.splitlines()[1] == "estimates of open months: 9 days: 5 missing, 1 open, 3 unsettled"
    assert asked(server) == days("2026-02-02", "2026-02-10")
    assert run("verify").code == 0


def test_an_estimate_that_was_landed_by_hand_needs_no_request_of_the_range(
    run: Run, server: FalServer, loads: Loads
) -> None:
    run("focus-report", "--source", "estimate", "--start", "2026-02-02", "--end", "2026-02-03")
    asked(server)
    assert run(*SYNC).out.splitlines()[1] == "estimates of open months: 5 days: 4 missing, 1 unsettled"
    assert asked(server) == days("2026-02-01", "2026-02-05")


def test_many_open_days_are_requested_in_ranges_that_leave_closed_months_out(
    run: Run, server: FalServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert estimates.LONGEST_RANGE == 90
    monkeypatch.setattr(estimates, "LONGEST_RANGE", 5)
    result = run("sync", "--since", "2025-12-25")
    assert "estimates of open months: none, since events contain all of 12 days" in result.out
    assert asked(server) == [
        ("2025-12-25", "2025-12-30", "month"),
        ("2025-12-30", "2026-01-01", "month"),
        ("2026-02-01", "2026-02-06", "month"),
    ]


# ---------------------------------------------------------------- what shows that estimates are needed


def test_other_names_of_endpoints_show_that_estimates_are_needed(
    run: Run, loads: Loads, world: World
) -> None:
    world.switches = Switches(display_names=True)
    run(*SYNC)
    assert landed(loads) == FEBRUARY


@pytest.mark.parametrize(
    ("rows", "is_needed"),
    [
        ("", False),
        ("Usage,1,fal-ai/flux/dev,\n", False),
        ("Usage,1,,fal-ai/flux/dev\n", False),
        ("Usage,1,fal-ai/flux/dev,\nCredit,-5,,\n", True),
        ("Usage,1,type: gpu_1x_h100_sxm5,\n", True),
    ],
)
def test_a_row_that_is_not_of_an_endpoint_of_events_shows_that_estimates_are_needed(
    run: Run, server: FalServer, loads: Loads, rows: str, is_needed: bool
) -> None:
    header = "charge_category,BilledCost,Sku Id,ResourceId,ChargePeriodStart\n"
    lines = "".join(f"{row},2026-02-01T00:00:00Z\n" for row in rows.splitlines())
    server.faults.append(Fault.answer(200, (header + lines).encode(), times=1, when=is_estimate))
    assert run(*SYNC).code == 0
    assert landed(loads) == (FEBRUARY if is_needed else [])


def test_compute_on_an_invoice_shows_that_estimates_are_needed(
    run: Run, server: FalServer, loads: Loads, compute: World
) -> None:
    run("focus-report", "--source", "invoice", "--billing-month", "2026-02")
    compute.switches = Switches()
    compute.invoice_months["2026-02"] = None
    run(*SYNC)
    assert landed(loads) == FEBRUARY
    assert all(timeframe == "day" for *_, timeframe in asked(server))


# ---------------------------------------------------------------- open months


@pytest.mark.parametrize(
    ("invoice", "is_closed"),
    [
        (Invoice(), True),
        (Invoice(usage=False, purchase=Decimal(100)), False),
        (Invoice(days=(date(2026, 1, 31), date(2026, 2, 1))), True),
        (None, False),
    ],
)
def test_a_month_closes_with_ordinary_usage_on_the_next_invoice(
    run: Run, loads: Loads, compute: World, invoice: Invoice | None, is_closed: bool
) -> None:
    compute.invoice_months["2026-02"] = invoice
    run(*SYNC)
    january = [str(date(2026, 1, day)) for day in range(25, 32)]
    assert landed(loads) == ([] if is_closed else january) + FEBRUARY


def test_a_month_that_closes_after_a_pause_gets_no_more_estimates(
    run: Run, server: FalServer, loads: Loads, compute: World, set_clock: SetClock
) -> None:
    run(*SYNC)
    asked(server)
    compute.days = 45
    set_clock(datetime(2026, 3, 3, 12, tzinfo=UTC))
    result = run("sync")
    assert "estimates of open months: 3 days: 3 missing" in result.out
    assert asked(server) == days("2026-03-01", "2026-03-03")
    assert run("verify").code == 0


def test_a_broken_invoice_closes_no_month(run: Run, loads: Loads, compute: World, server: FalServer) -> None:
    run("focus-report", "--source", "invoice", "--billing-month", "2026-02")
    (invoice,) = loads("focus_reports/account=acme/source=invoice/*")
    (invoice.folder / "report.csv.gz").write_bytes(b"")
    compute.invoice_months["2026-02"] = None
    result = run(*SYNC)
    assert (result.code, len(landed(loads))) == (0, 12)


def test_an_organization_gets_the_estimates_of_all_teams(
    run: Run, server: FalServer, loads: Loads, compute: World
) -> None:
    compute.teams = {"acme": [Team("acme", "Acme"), Team("lab-1", "The lab")]}
    assert run(*SYNC, "--organization").code == 0
    assert {request.path for request in server.requests if is_estimate(request)} == {"/v1/organization/focus"}
    (load, *_) = loads(f"{ESTIMATES}/*")
    assert load.manifest["request"]["path"] == "/organization/focus"
    assert {row["SubAccountName"] for row in csv.DictReader(io.StringIO(load.bodies[0].decode()))} == {
        "Acme", "The lab", "",
    }  # fmt: skip


# ---------------------------------------------------------------- refusals, waits and failures


@pytest.mark.parametrize("status", [401, 403, 404])
@pytest.mark.parametrize("has_landed", [False, True])
def test_refused_estimates_are_one_request_and_one_line(
    run: Run, server: FalServer, loads: Loads, compute: World, status: int, has_landed: bool
) -> None:
    if has_landed:
        run(*SYNC)
        asked(server)
    server.faults.append(Fault.error(status, "x", "no", times=99, when=is_estimate))
    result = run(*SYNC)
    assert (result.code, result.errors) == (0, [])
    assert result.err.count("skipped estimates: GET /account/focus (2026-02-0") == 1
    assert len(asked(server)) == 1
    assert len(loads("focus_reports/account=acme/source=invoice/*")) == (2 if has_landed else 1)


def test_estimates_that_fail_are_a_failure(run: Run, server: FalServer, loads: Loads) -> None:
    server.faults.append(Fault.server_error(times=6, when=is_estimate))
    result = run(*SYNC)
    assert result.code == 1
    (line,) = result.errors
    assert "GET /account/focus (2026-02-01T00:00:00Z to 2026-02-06T00:00:00Z): answered 500" in line
    assert len(loads(day_of("*"))) == 12


def delay(when: Callable[[Request], bool]) -> Fault:
    return Fault.answer(429, b"{}", {"Retry-After": "3600"}, times=99, when=when)


@pytest.mark.parametrize(
    ("path", "feed"),
    [
        ("/keys", "keys"),
        ("/models/pricing", "pricing"),
        ("/account/billing", "balance"),
        ("/serverless/usage", "serverless usage"),
    ],
)
def test_a_feed_that_requests_a_long_wait_is_left_and_the_others_go_on(
    run: Run, server: FalServer, loads: Loads, compute: World, path: str, feed: str
) -> None:
    server.faults.append(delay(lambda request: request.path == f"/v1{path}"))
    result = run(*SYNC)
    assert result.code == 1
    (line,) = result.errors
    assert line.startswith(f"error: skipped {feed}: GET {path}")
    assert line.endswith("answered 429, and requests a wait of 3,600 seconds; run it again after that")
    assert len([request for request in server.requests if request.path == f"/v1{path}"]) == 1
    assert len(loads(day_of("*"))) == 12 and landed(loads) == FEBRUARY
    assert len(loads("catalogue/*/*/*")) == (4 if feed == "serverless usage" else 3)
    server.faults.clear()
    assert run(*SYNC).code == 0


@pytest.mark.parametrize("is_delayed", [is_estimate, lambda request: request.path.endswith("/focus")])
def test_reports_that_request_a_long_wait_are_one_failure(
    run: Run, server: FalServer, loads: Loads, is_delayed: Callable[[Request], bool]
) -> None:
    server.faults.append(delay(is_delayed))
    result = run(*SYNC)
    assert result.code == 1
    (line,) = result.errors
    assert "GET /account/focus" in line and "requests a wait of 3,600 seconds" in line
    assert "landed 12 days with " in result.out
    assert len([request for request in server.requests if is_delayed(request)]) == 1


def test_a_wait_requested_for_a_later_day_is_one_failure_and_leaves_the_rest(
    run: Run, server: FalServer, loads: Loads
) -> None:
    def is_later(request: Request) -> bool:
        return request.path.endswith("/serverless/usage") and (request.one("start") or "") > "2026-01-26"

    server.faults.append(delay(is_later))
    result = run(*SYNC, "--concurrency", 1)
    (line,) = result.errors
    assert "skipped serverless usage" in line and line.endswith(" (and so are 10 other loads)")
    assert len([request for request in server.requests if is_later(request)]) == 1
    assert len(loads("serverless_usage/*/*")) == 1


def test_a_wait_for_billing_events_ends_the_sync(run: Run, server: FalServer) -> None:
    server.faults.append(delay(lambda request: request.path.endswith("/billing-events")))
    result = run(*SYNC, "--concurrency", 1)
    assert (result.code, len(result.err.splitlines()), len(server.requests)) == (1, 1, 1)


# ---------------------------------------------------------------- teams


def test_an_account_that_never_was_an_organization_is_not_asked_for_teams(
    run: Run, server: FalServer, world: World
) -> None:
    result = run(*SYNC)
    assert "skipped" not in result.err
    assert not [request for request in server.requests if request.path.endswith("/teams")]
    assert run("catalogue").err.count("skipped teams: ") == 1


def test_teams_that_have_landed_are_fetched_each_day(run: Run, world: World, set_clock: SetClock) -> None:
    world.teams = {"acme": [Team("acme", "Acme")]}
    run("catalogue", "teams")
    set_clock(NOW + timedelta(days=1))
    assert "snapshots: keys, models, pricing, teams, balance" in run(*SYNC).out
