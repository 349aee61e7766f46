"""What a sync fetches, and what it does not."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from loaders import sync
from loaders.billing_events import locate_day
from loaders.errors import LandingError
from loaders.landing import Latest
from tests.fal_server import FalServer, Fault, Invoice, Request, World
from tests.loaders.conftest import Loads, Run, day_of

SetClock = Callable[[datetime], None]


def at(day: int, hour: int = 12, month: int = 2) -> datetime:
    return datetime(2026, month, day, hour, tzinfo=UTC)


def days_asked_for(server: FalServer) -> list[str]:
    """Return the days of all requests for billing events, sorted, and clear the requests."""
    asked = [request for request in server.requests if request.path.endswith("/models/billing-events")]
    days = sorted(request.params["start"][0][:10] for request in asked)
    server.requests.clear()
    return days


# ---------------------------------------------------------------- the rule


@pytest.mark.parametrize(
    ("fetched_at", "complete", "reason"),
    [
        (None, False, "missing"),
        (at(1, 23), False, "open"),
        (at(9), False, "open"),
        (at(2, 0), True, "unsettled"),
        (at(4, 23), True, "unsettled"),
        (at(5, 0), True, None),
        (at(20), True, None),
    ],
)
def test_a_day_is_fetched_again_until_three_days_after_its_end(
    fetched_at: datetime | None, complete: bool, reason: str | None
) -> None:
    day = date(2026, 2, 1)
    load = Latest(fetched_at, complete) if fetched_at else None
    partition = locate_day("acme", day)
    assert sync.plan_days({partition: load}, at(28)) == ({partition: reason} if reason else {})


@pytest.mark.parametrize(
    ("since", "landed", "asked"),
    [
        (date(2025, 11, 15), [], ["2025-12", "2026-01", "2026-02"]),
        (date(2025, 10, 1), ["2025-11", "2025-12", "2026-01", "2026-02"], ["2026-01", "2026-02"]),
        (date(2025, 10, 1), ["2025-12", "2026-02"], ["2025-11", "2026-01", "2026-02"]),
        (date(2026, 1, 31), ["2026-02"], ["2026-01", "2026-02"]),
        (date(2026, 2, 1), [], ["2026-01", "2026-02"]),
        (date(2026, 2, 5), ["2026-01", "2026-02"], ["2026-01", "2026-02"]),
    ],
)
def test_missing_invoices_and_the_last_two_are_requested(
    since: date, landed: list[str], asked: list[str]
) -> None:
    complete = dict.fromkeys(landed, Latest(at(5), True))
    assert sync.plan_invoices(since, at(5), complete) == asked


def test_an_invoice_fetched_before_the_end_of_its_month_is_fetched_again_after_it() -> None:
    landed = {
        "2025-10": Latest(at(20), True),
        "2025-11": Latest(at(20), False),
        "2026-02": Latest(at(20), False),
        "2026-06": Latest(at(20), False),  # by a clock that was wrong
    }
    asked = sync.plan_invoices(date(2026, 3, 1), at(5, month=5), landed)
    assert asked == ["2025-11", "2026-02", "2026-04", "2026-05"]


def test_sync_starts_at_the_first_landed_day_or_the_month_before_last() -> None:
    assert sync.choose_since([], date(2026, 2, 5)) == date(2025, 12, 1)
    assert sync.choose_since([], date(2026, 3, 31)) == date(2026, 1, 1)
    assert sync.choose_since(["2026-01-30", "2026-02-01"], date(2026, 2, 5)) == date(2026, 1, 30)


# ---------------------------------------------------------------- end to end


def test_the_first_sync_fetches_everything_since_its_start_and_prints_it(
    run: Run, loads: Loads, world: World
) -> None:
    result = run("sync", "--since", "2026-01-25")
    assert result.code == 0, result.err
    plan, estimates, summary = result.out.splitlines()
    assert plan == (
        "acme since 2026-01-25: 12 days: 12 missing; invoices: 2026-01, 2026-02; "
        "serverless usage: 12 days: 12 missing; snapshots: keys, models, pricing, balance"
    )
    assert estimates == "estimates of open months: none, since events contain all of 5 days"
    invoice_rows = len(world.invoice_csv("acme", "2026-02").splitlines()) - 1
    events = len(world.events("acme"))
    assert summary.startswith(
        f"landed 12 days with {events} events, 1 invoice with {invoice_rows} rows, "
        "12 days with 0 serverless rows, 4 snapshots with "
    )
    assert len(loads(day_of("*"))) == 12
    assert len(loads("focus_reports/account=acme/source=invoice/billing_month=2026-02")) == 1


def test_a_second_sync_fetches_only_the_open_and_the_unsettled_days(run: Run, server: FalServer) -> None:
    run("sync", "--since", "2026-01-25")
    days_asked_for(server)
    result = run("sync")
    assert result.out.splitlines()[0] == (
        "acme since 2026-01-25: 4 days: 1 open, 3 unsettled; invoices: 2026-01, 2026-02; "
        "serverless usage: 4 days: 1 open, 3 unsettled; snapshots: none"
    )
    assert days_asked_for(server) == ["2026-02-02", "2026-02-03", "2026-02-04", "2026-02-05"]


def test_days_fetched_before_a_pause_are_fetched_again(
    run: Run, server: FalServer, set_clock: SetClock
) -> None:
    run("sync", "--since", "2026-01-25")
    days_asked_for(server)
    set_clock(at(1, month=3))
    result = run("sync")
    assert "28 days: 24 missing, 1 open, 3 unsettled; invoices: 2026-02, 2026-03" in result.out
    days_asked_for(server)
    set_clock(at(10, month=3))
    result = run("sync")
    assert "13 days: 9 missing, 1 open, 3 unsettled" in result.out
    assert days_asked_for(server)[0] == "2026-02-26"


def test_settled_days_are_not_fetched_again(run: Run, server: FalServer) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-02-01")
    days_asked_for(server)
    run("sync", "--since", "2026-01-26")
    assert days_asked_for(server)[0] == "2026-02-01"


def test_loads_of_a_clock_that_was_ahead_are_fetched_again(
    run: Run, server: FalServer, set_clock: SetClock
) -> None:
    set_clock(at(5))
    run("sync", "--since", "2026-01-26")
    set_clock(at(31, 8, month=1))
    days_asked_for(server)
    result = run("sync", "--since", "2026-01-26")
    assert "6 days: 6 open; invoices: 2025-12, 2026-01" in result.out
    assert days_asked_for(server)[0] == "2026-01-26"
    assert "4 days: 1 open, 3 unsettled" in run("sync", "--since", "2026-01-26").out


def test_a_gap_is_filled(run: Run, server: FalServer) -> None:
    run("billing-events", "--start", "2026-01-25", "--end", "2026-01-27")
    run("billing-events", "--start", "2026-01-28", "--end", "2026-01-30")
    days_asked_for(server)
    run("sync")
    assert days_asked_for(server)[:3] == ["2026-01-27", "2026-01-30", "2026-01-31"]


def test_sync_ignores_loads_of_other_accounts(run: Run, server: FalServer) -> None:
    run("billing-events", "--start", "2026-01-25", "--end", "2026-01-27", "--account", "other")
    result = run("sync")
    assert "acme since 2025-12-01: 67 days: 67 missing; invoices: 2026-01, 2026-02" in result.out


def test_an_account_without_focus_reports_gets_one_line_and_does_not_fail(
    run: Run, world: World, server: FalServer
) -> None:
    world.non_enterprise.add("acme")
    result = run("sync", "--since", "2025-12-01")
    assert result.code == 0
    assert result.err.count("has no FOCUS reports") == 1
    assert "estimates" not in result.out + result.err
    assert len([request for request in server.requests if request.path.endswith("focus")]) == 1


def test_months_without_an_invoice_do_not_fail_the_run(run: Run, world: World, loads: Loads) -> None:
    result = run("sync", "--since", "2025-12-20")
    assert result.code == 0
    assert "no invoice yet: 2026-01" in result.err
    assert "has no FOCUS reports" not in result.err
    assert len(loads("focus_reports/*/*/*")) == 1
    world.invoice_months["2026-02"] = None
    result = run("sync", "--since", "2025-12-20")
    assert result.code == 0
    assert "acme has no FOCUS reports, or no invoice yet: none for 2026-01, 2026-02" in result.err
    assert len(loads("focus_reports/*/*/*")) == 1


def test_a_reissued_invoice_lands_again(run: Run, loads: Loads, world: World) -> None:
    run("sync", "--since", "2026-01-25")
    world.amend("acme", date(2026, 1, 26))
    run("sync")
    old, new = loads("focus_reports/account=acme/source=invoice/billing_month=2026-02")
    assert old.bodies != new.bodies == [world.invoice_csv("acme", "2026-02")]


def test_a_failed_day_does_not_stop_the_others(run: Run, server: FalServer, loads: Loads) -> None:
    def is_that_day(request: Request) -> bool:
        return request.path.endswith("events") and request.one("start") == "2026-01-28T00:00:00Z"

    server.faults.append(Fault.server_error(times=100, when=is_that_day))
    result = run("sync", "--since", "2026-01-25")
    assert result.code == 1
    assert len(loads(day_of("*"))) == 11
    assert loads("focus_reports/*/*/*")
    (line,) = result.errors
    assert "(2026-01-28T00:00:00Z to 2026-01-29T00:00:00Z): answered 500" in line
    server.faults.clear()
    assert "5 days: 1 missing, 1 open, 3 unsettled" in run("sync").out
    assert len(loads(day_of("2026-01-28"))) == 1


def test_an_error_that_concerns_every_invoice_is_reported_once(
    run: Run, server: FalServer, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise LandingError("the disk is full")

    world.invoice_months["2026-01"] = Invoice()
    monkeypatch.setattr("loaders.focus_reports.land_invoice", full)
    result = run("sync", "--since", "2025-12-20")
    assert (result.code, result.errors) == (1, ["error: the disk is full"])


def test_a_bad_key_stops_the_sync_with_one_line(
    run: Run, landing: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FAL_KEY", "some-other-key")
    result = run("sync", "--since", "2026-01-25")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "401" in line and "check FAL_KEY" in line


def test_an_unreachable_host_stops_the_sync_with_one_line(run: Run, server: FalServer) -> None:
    result = run("sync", "--since", "2026-01-25", "--api-url", "http://127.0.0.1:1/v1")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "cannot connect to 127.0.0.1:1" in line
    assert "check the network, FAL_API_URL and HTTPS_PROXY" in line


def test_an_invoice_is_fetched_again_after_its_month(run: Run, loads: Loads, set_clock: SetClock) -> None:
    run("sync", "--since", "2026-02-01")
    set_clock(at(20, month=5))
    assert "invoices: 2026-02, 2026-04, 2026-05" in run("sync", "--since", "2026-05-19").out
    completed = loads("focus_reports/account=acme/source=invoice/billing_month=2026-02")
    assert [load.manifest["complete"] for load in completed] == [False, True]
    assert "invoices: 2026-04, 2026-05" in run("sync", "--since", "2026-05-19").out


def test_a_clock_before_the_first_landed_day_is_an_error_about_the_clock(
    run: Run, server: FalServer, set_clock: SetClock
) -> None:
    run("billing-events", "--start", "2026-02-01", "--end", "2026-02-02")
    set_clock(at(20, month=1))
    server.requests.clear()
    result = run("sync")
    assert (result.code, server.requests) == (1, [])
    assert result.err == (
        "error: the first landed day, 2026-02-01, is in the future: today is 2026-01-20 (UTC); "
        "check the clock of this machine\n"
    )


def test_a_sync_that_starts_in_the_future_is_misuse(run: Run) -> None:
    result = run("sync", "--since", at(6).date() + timedelta(days=1))
    assert result.code == 2
    assert result.err == "error: --since 2026-02-07 is in the future: today is 2026-02-05 (UTC).\n"
