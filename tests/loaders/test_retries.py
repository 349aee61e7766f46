"""Transient failures are retried, others are not; both end with one line."""

import re
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pytest
from tenacity import Future, RetryCallState, Retrying

from loaders import clock
from loaders.api import FalApi, TransientError, read_retry_after
from loaders.errors import GaveUpError, UnauthorizedError
from loaders.landing import Manifest
from loaders.parallel import land_all
from loaders.progress import Reporter
from loaders.settings import ApiSettings
from tests.fal_server import FalServer, Fault, Request, World
from tests.fal_server.faults import HTML
from tests.fal_server.messages import Answer
from tests.loaders.conftest import KEY, Loads, Run, day_of

EVENTS = ("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")


def test_a_fault_on_a_later_page_repeats_that_page_only(run: Run, server: FalServer, loads: Loads) -> None:
    server.faults.append(Fault.server_error(when=lambda request: request.one("cursor") is not None))
    assert run(*EVENTS, "--page-size", 40).code == 0
    assert len(server.requests) == 5  # two pages with one retry, and a second walk because of a repeated row
    assert [page["rows"] for page in loads(day_of("*"))[0].manifest["pages"]] == [40, 23]


def test_empty_pages_without_end_end_with_one_line(
    run: Run, server: FalServer, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(request: Request) -> Answer:
        cursor = int(request.one("cursor") or 0) + 1
        return Answer(200, f'{{"billing_events":[],"has_more":true,"next_cursor":"{cursor}"}}'.encode())

    monkeypatch.setattr(server, "answer", endless)
    result = run(*EVENTS)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "101 pages in a row had no new event, and may never end; nothing of it was landed" in line
    assert loads(day_of("*")) == []


@pytest.mark.parametrize(
    ("status", "kind", "what_to_do"),
    [
        (400, "validation_error", "check the parameters"),
        (401, "authorization_error", "check FAL_KEY"),
        (403, "authorization_error", "check FAL_KEY"),
        (404, "not_found", "check FAL_API_URL"),
    ],
)
def test_a_refusal_is_not_tried_again(
    run: Run, server: FalServer, status: int, kind: str, what_to_do: str
) -> None:
    server.faults.append(Fault.error(status, kind, "No, and here is why", times=100))
    result = run(*EVENTS)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert f"answered {status} ({kind}: No, and here is why); {what_to_do}" in line
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "fault",
    [Fault.error(404, "not_found", "No such endpoint"), Fault.answer(301, b"", {"Location": "/v2"})],
    ids=["404", "301"],
)
def test_a_wrong_api_path_is_told_once_and_not_for_every_day(
    run: Run, server: FalServer, fault: Fault
) -> None:
    server.faults.append(replace(fault, times=100))
    result = run("sync", "--since", "2026-01-25")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("error: GET /models/billing-events (2026-0") and "check FAL_API_URL" in line


def test_a_refusal_that_cannot_be_read_is_a_refusal(run: Run, server: FalServer) -> None:
    server.faults.append(Fault.answer(401, b"??", {"Content-Encoding": "br"}))
    result = run(*EVENTS)
    assert "answered 401; check FAL_KEY" in result.err
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed_and_the_key_stays_here(run: Run, server: FalServer, world: World) -> None:
    with FalServer(world) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        server.faults.append(Fault.answer(302, b"", {"Location": f"{elsewhere}/models/billing-events"}))
        result = run(*EVENTS)
        assert other.requests == []
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "redirected to localhost, and the key does not follow" in line


@pytest.mark.parametrize("location", ["javascript:1", "http://xn--a/"])
def test_a_redirect_to_an_address_that_is_none_is_one_line(
    run: Run, server: FalServer, location: str
) -> None:
    server.faults.append(Fault.answer(302, b"", {"Location": location}))
    result = run(*EVENTS)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "a redirect or a proxy has an invalid address; check FAL_API_URL and HTTPS_PROXY" in line
    assert len(server.requests) == 1


def test_a_proxy_whose_name_cannot_be_one_is_one_line(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://a..b:80")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    (line,) = run(*EVENTS, "--api-url", "https://fal.example/v1").err.splitlines()
    assert "a redirect or a proxy has an invalid address; check FAL_API_URL and HTTPS_PROXY" in line


def test_a_message_over_several_lines_is_told_on_one(run: Run, server: FalServer) -> None:
    server.faults.append(Fault.error(400, "validation_error", "one\ntwo\x1b[31m\r\nthree " + "x" * 5000))
    (line,) = run(*EVENTS).err.splitlines()
    assert "one two [31m three xxx" in line and len(line) < 700


# ---------------------------------------------------------------- pauses


@pytest.fixture
def api() -> FalApi:
    """A client with pauses of up to a minute."""
    return FalApi(ApiSettings("http://127.0.0.1:1/v1", KEY), 1)


def pause(api: FalApi, error: Exception, attempt: int = 1) -> float:
    """Return the pause after an error."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    state.outcome = Future.construct(attempt, error, True)
    return api._choose_pause(state)


def test_retry_after_is_obeyed_whatever_our_own_longest_pause(api: FalApi) -> None:
    for asked in (0, 17, 600):
        pauses = {pause(api, TransientError("429", asked)) for _ in range(20)}
        assert all(asked <= seen <= asked + 1 for seen in pauses)
        assert len(pauses) > 1  # threads do not retry all at once


@pytest.mark.parametrize("status", [429, 502])
@pytest.mark.parametrize(("header", "told"), [("601", "601"), ("86400", "86,400"), ("9" * 20, "0" * 3)])
def test_a_server_that_asks_for_more_than_ten_minutes_is_not_waited_for(
    run: Run, server: FalServer, status: int, header: str, told: str
) -> None:
    server.faults.append(Fault.answer(status, HTML, {"Retry-After": header}, times=100))
    result = run("sync", "--since", "2026-01-25", "--concurrency", 1)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert re.search(rf", and requests a wait of [0-9,]*{told} seconds; run it again after that$", line)
    assert len(server.requests) < 6  # of twelve days


def test_pauses_grow_with_jitter_up_to_the_longest_one(api: FalApi) -> None:
    pauses = [pause(api, TransientError("500"), attempt) for attempt in (1, 2, 3, 4, 9)]
    assert all(low <= seen <= low + 1 for low, seen in zip((1, 2, 4, 8), pauses, strict=False))
    assert pauses[-1] == 60
    assert len({pause(api, TransientError("500")) for _ in range(5)}) > 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        ("Thu, 05 Feb 2026 12:00:30 GMT", 30.0),
        ("Thu, 05 Feb 2026 11:00:00 GMT", 0.0),
        ("12345678901", 12345678901.0),
        ("soon", None),
        ("-1", None),
        ("", None),
    ],
)
def test_retry_after_may_be_seconds_or_a_date(
    monkeypatch: pytest.MonkeyPatch, header: str, seconds: float | None
) -> None:
    monkeypatch.setattr(clock, "utc_now", lambda: datetime(2026, 2, 5, 12, tzinfo=UTC))
    assert read_retry_after(httpx.Response(429, headers={"Retry-After": header})) == seconds


def test_a_run_that_is_stopping_does_not_wait(server: FalServer) -> None:
    server.faults.append(Fault.rate_limited("60", times=100))
    with FalApi(ApiSettings(server.url, KEY), 1) as api:
        threading.Timer(0.1, api.stopping.set).start()
        began = time.monotonic()
        with pytest.raises(GaveUpError):
            api.get("/models/billing-events", {}, lambda body: body)
    assert time.monotonic() - began < 5
    assert len(server.requests) == 1


def test_a_run_that_stops_makes_no_further_request(server: FalServer) -> None:
    server.faults.append(Fault.rate_limited("0.3", times=100))

    def refused() -> Manifest:
        while not server.requests:
            time.sleep(0.01)
        raise UnauthorizedError("no")

    with FalApi(ApiSettings(server.url, KEY, retry_max_wait=0.01), 2) as api:
        jobs = [lambda: api.get("/models/billing-events", {}, lambda body: body), refused]
        with pytest.raises(UnauthorizedError):
            land_all(api, jobs, 2, Reporter(None, 2))  # type: ignore[arg-type]
        assert api.stopping.is_set()
        time.sleep(0.5)
        assert len(server.requests) == 1
