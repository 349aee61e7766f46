"""Network faults: a load lands with the correct bytes, or nothing lands and one line has the reason."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path

import httpx
import pytest

from loaders import api, retries
from loaders.billing_events import EXPANSIONS
from tests.fal_server import FAULTS, CsvStyle, Event, FalServer, Oddities, Request, World
from tests.fal_server.messages import write_cursor
from tests.loaders.conftest import FEEDS, KEY, Landed, Loads, Run, serve_pages

pytestmark = pytest.mark.slow

DAY = date(2026, 1, 26)
COMMANDS = {name: feed.command for name, feed in FEEDS.items()} | {
    "events": (*FEEDS["events"].command, "--page-size", 25),
    "report": ("focus-report", "--source", "invoice", "--billing-month", "2026-02"),
}
REQUESTS = {name: feed.request for name, feed in FEEDS.items()} | {"report": "GET /account/focus (2026-02): "}
# of a page, so that there are three
ROWS = {"events": 10_000, "team": 25, "usage": 2, "keys": 2, "report": 25}
LISTS = {"events": "billing_events", "team": "billing_events", "usage": "time_series", "keys": "keys"}
ATTEMPTS = 3
# FAL_TIMEOUT and LONGEST_TRY: only one of both limits can end a try, however slow the machine is
LIMITS = {"stall": ("0.5", 100), "drip": ("5", 0.1)}


@dataclass(frozen=True)
class Case:
    """A fault, and the error of pages and of reports if it persists; None if they cannot get the fault."""

    fault: str
    pages: str | None
    report: str | None

    def params(self) -> list[object]:
        """Return a parameter for each command."""
        errors = dict.fromkeys(FEEDS, self.pages) | {"report": self.report}
        return [pytest.param(command, self.fault, line, id=f"{command}-{self.fault}")
                for command, line in errors.items() if line is not None]  # fmt: skip


def both(fault: str, line: str) -> Case:
    """Return a fault with the same error for pages and reports."""
    return Case(fault, line, line)


PASSING = (
    both("rate_limited", "answered 429 (rate_limited: Too many requests)"),
    both("rate_limited_until", "answered 429 (rate_limited: Too many requests)"),
    both("rate_limited_untold", "answered 429 (rate_limited: Too many requests)"),
    both("server_error", "answered 500 (server_error: Something went wrong)"),
    both("bad_gateway", "answered 502 ("),
    both("html_page", "answered 200, but the body is invalid: it is an HTML page"),
    both("reset", "the connection failed: "),
    both("reset_in_body", "the connection failed: "),
    both("cut", "the connection failed: "),
    both("cut_chunked", "the connection failed: "),
    Case("cut_unframed", "it is not complete JSON", "it has no length"),
    both("cut_unframed_gzip", "it ends in the middle of its gzip encoding"),
    both("stall", "the connection failed: timed out"),
    both("stall_in_body", "the connection failed: timed out"),
    both("drip", "it took longer than 0.5 seconds"),
    both("drip_in_head", "it took longer than 0.5 seconds"),
    both("gzip_cut", "it ends in the middle of its gzip encoding"),
    both("not_gzip", "its gzip encoding is broken"),
    Case("malformed", "it is not complete JSON", "it ends in the middle of a row"),
    Case("empty_body", "it is not complete JSON", "it is not a FOCUS CSV"),
    Case("latin_1", "it is not complete JSON", "it is not UTF-8"),
    both("header_flood", "the connection failed: its headers are too long"),
    Case("no_page", "it has no list of {list}", None),
    Case("no_events", "it has no list of {list}", None),
    Case("no_has_more", "has_more is neither true nor false", None),
    Case("no_next_cursor", "has_more is true, but there is no next_cursor", None),
    Case("cursor_again", "its next_cursor was there before", None),
    Case("cursors_in_a_circle", "its next_cursor was there before", None),
    Case("unframed", None, "it has no length"),
)
HOPELESS = (
    both("unauthorized", "answered 401 (authorization_error: Invalid key); check FAL_KEY"),
    both("redirect", "redirected to elsewhere.example, and the key does not follow; check FAL_API_URL"),
    Case(
        "oversized",
        "the body is over the limit of 64 MB; ",
        "the body is over the limit of 64 MB; request less at once",
    ),
    both("zip_bomb", "the body is over the limit of 64 MB"),
)
RIGHT = ("empty_page", "larger_page", "unframed")


def params(*groups: Sequence[Case]) -> list[object]:
    """Return the parameters of all cases."""
    return [param for group in groups for case in group for param in case.params()]


@pytest.fixture
def world(world: World) -> World:
    """A world whose pages do not shift, so that two walks are the same."""
    world.oddities = replace(Oddities.all(), shifted_pages=False)
    return world


def serve(server: FalServer, command: str) -> None:
    """Serve pages for a command. The reports are those of an account without teams and apps."""
    if command in FEEDS:
        serve_pages(server, FEEDS[command], ROWS[command])


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Give up after fewer attempts."""
    monkeypatch.setattr(retries, "ATTEMPTS", ATTEMPTS)


def landed_before(run: Run, landing: Path, command: str) -> dict[Path, bytes]:
    """Land without faults, and return every file."""
    assert run(*COMMANDS[command]).code == 0
    return files(landing)


def files(landing: Path) -> dict[Path, bytes]:
    """Return the files of the landing zone, except the work folder."""
    found = (path for path in landing.rglob("*") if ".work" not in path.parts)
    return {path: path.read_bytes() for path in found if path.is_file()}


def of(loads: Loads) -> list[Landed]:
    """Return all loads."""
    return [load for levels in ("*", "*/*") for load in loads(f"*/account=acme/{levels}")]


def victims(fault: str) -> Callable[[Request], bool]:
    """Return which requests get a fault: pages after the first one, or reports."""
    if fault == "larger_page":
        return lambda request: request.one("cursor") is None
    if fault == "cursors_in_a_circle":  # from the third page to the second
        return lambda request: request.one("cursor") in (write_cursor(2, 25), write_cursor(2, 2))
    return lambda request: request.one("cursor") is not None or request.path.endswith("focus")


@pytest.mark.parametrize(("command", "fault", "message"), params(PASSING, HOPELESS))
def test_a_fault_loses_nothing(
    run: Run, server: FalServer, loads: Loads, landing: Path, monkeypatch: pytest.MonkeyPatch,
    command: str, fault: str, message: str,
) -> None:  # fmt: skip
    serve(server, command)
    before = landed_before(run, landing, command)
    if limits := LIMITS.get(fault.partition("_")[0]):
        monkeypatch.setenv("FAL_TIMEOUT", limits[0])
        monkeypatch.setattr(api, "LONGEST_TRY", limits[1])
    del server.requests[:]
    server.faults.append(FAULTS[fault](when=victims(fault), times=100))
    result = run(*COMMANDS[command])
    assert (result.code, result.out) == (1, "")
    (line,) = result.err.splitlines()
    assert line.startswith(f"error: {REQUESTS[command]}")
    assert message.format(list=LISTS.get(command)) in line
    is_hopeless = fault in {case.fault for case in HOPELESS}
    assert is_hopeless or line.endswith(f"({ATTEMPTS} tries); none of it was landed, run it again later")
    assert sum(map(victims(fault), server.requests)) == (1 if is_hopeless else ATTEMPTS)
    assert files(landing) == before

    server.faults[:] = [] if is_hopeless else [FAULTS[fault](when=victims(fault))]
    result = run(*COMMANDS[command])
    assert (result.code, result.errors, server.faults) == (0, [], [])
    undisturbed, disturbed = of(loads)
    assert disturbed.bodies == undisturbed.bodies
    assert disturbed.manifest["pages"] == undisturbed.manifest["pages"]
    assert {path: files(landing)[path] for path in before} == before


def test_cursors_in_a_circle_end_with_one_line(run: Run, server: FalServer, landing: Path) -> None:
    serve(server, "events")
    before = landed_before(run, landing, "events")
    server.faults.append(FAULTS["cursors_in_a_circle"](times=100))
    result = run(*COMMANDS["events"])
    assert result.code == 1 and len(result.err.splitlines()) == 1
    assert "its next_cursor was there before" in result.err
    assert files(landing) == before


@pytest.mark.parametrize("fault", RIGHT)
def test_an_unusual_page_is_accepted(
    run: Run, server: FalServer, loads: Loads, landing: Path, fault: str
) -> None:
    serve(server, "events")
    landed_before(run, landing, "events")
    server.faults.append(FAULTS[fault](when=victims(fault)))
    result = run(*COMMANDS["events"])
    assert (result.code, result.errors) == (0, [])
    undisturbed, disturbed = of(loads)
    assert disturbed.events == undisturbed.events
    rows = [page["rows"] for page in disturbed.manifest["pages"]]
    assert rows == {"empty_page": [25, 0, 25, 10], "larger_page": [60], "unframed": [25, 25, 10]}[fault]


def test_every_named_fault_is_tested() -> None:
    assert {case.fault for case in (*PASSING, *HOPELESS)} | set(RIGHT) == set(FAULTS)


ODD = Event(
    request_id="ünï-鍵-🚀-\u2028",
    endpoint_id="acme/ελληνικά",
    at=datetime(2026, 1, 26, 12, tzinfo=UTC),
    cost_nano_usd=12345678901234567890,
    output_units="0.1234567890123456789",
    unit_price="3.33e-05",
    percent_discount="1E+1",
    more_json=',"region":{"zone":[1.0,10000000000000000000001,-0.0]},"\\u0000\\ud800":"\\/"',
)


def test_unexpected_texts_and_columns_land_unchanged(
    run: Run, server: FalServer, loads: Loads, world: World
) -> None:
    world.set_day("acme", DAY, [ODD])
    world.csv_style = CsvStyle(
        extra={"x_鍵 🚀": "3.33e-05", "x_Long": "0.1234567890123456789", "x_Ü": "ü\u2028"}
    )
    assert run(*COMMANDS["events"]).code == run(*COMMANDS["report"]).code == 0
    answers = [
        httpx.get(f"{server.url}/{path}", params=params, headers={"Authorization": f"Key {KEY}"}).content
        for path, params in (
            ("models/billing-events", {"start": "2026-01-26", "end": "2026-01-27", "expand": EXPANSIONS}),
            ("account/focus", {"source": "invoice", "billing_month": "2026-02"}),
        )
    ]
    assert [load.bodies for load in of(loads)] == [[answer] for answer in answers]
    for written in ("3.33e-05", "0.1234567890123456789"):
        assert all(written.encode() in answer for answer in answers)
    assert ODD.json(label=True, structured=True).encode() in answers[0]
    assert b"12345678901234567890" in answers[0]
