"""Transient failures are retried, others are not; both end with one line."""

import re
import socket
import ssl
import threading
import time
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import trustme
from tenacity import Future, RetryCallState, Retrying

import loaders.api
from loaders import clock, pages
from loaders.api import FalApi
from loaders.connection import Connection
from loaders.errors import GaveUpError, UnauthorizedError
from loaders.landing import Manifest
from loaders.parallel import land_all
from loaders.progress import Reporter
from loaders.retries import ATTEMPTS, TransientError, choose_pause, read_retry_after
from loaders.settings import ApiSettings
from tests.fal_server import FalServer, Fault, Request, World
from tests.fal_server.faults import HTML, saying
from tests.fal_server.messages import Answer
from tests.loaders.conftest import KEY, Loads, Run, day_of

EVENTS = ("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")


def test_a_fault_on_a_later_page_repeats_that_page_only(run: Run, server: FalServer, loads: Loads) -> None:
    server.faults.append(Fault.server_error(when=lambda request: request.one("cursor") is not None))
    assert run(*EVENTS, "--page-size", 40).code == 0
    assert len(server.requests) == 5  # two pages with one retry, and a second walk because of a repeated row
    assert [page["rows"] for page in loads(day_of("*"))[0].manifest["pages"]] == [40, 23]


def test_endless_empty_pages_end_with_one_line(
    run: Run, server: FalServer, loads: Loads, monkeypatch: pytest.MonkeyPatch
) -> None:
    def endless(request: Request) -> Answer:
        cursor = int(request.one("cursor") or 0) + 1
        return Answer(200, f'{{"billing_events":[],"has_more":true,"next_cursor":"{cursor}"}}'.encode())

    monkeypatch.setattr(server, "answer", endless)
    result = run(*EVENTS)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "101 pages in a row had no new row, and may never end; none of it was landed" in line
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
def test_a_refusal_is_not_retried(
    run: Run, server: FalServer, status: int, kind: str, what_to_do: str
) -> None:
    server.faults.append(Fault.error(status, kind, "No, and here is why", times=100))
    result = run(*EVENTS)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert f"answered {status} ({kind}: No, and here is why); {what_to_do}" in line
    # a 400 may be about an expansion, which the second request does without
    assert len(server.requests) == (2 if status == 400 else 1)


@pytest.mark.parametrize(
    "fault",
    [Fault.error(404, "not_found", "No such endpoint"), Fault.answer(301, b"", {"Location": "/v2"})],
    ids=["404", "301"],
)
def test_a_wrong_api_path_is_reported_once_and_not_for_every_day(
    run: Run, server: FalServer, fault: Fault
) -> None:
    server.faults.append(replace(fault, times=100))
    result = run("sync", "--since", "2026-01-25")
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert line.startswith("error: GET /models/billing-events (2026-0") and "check FAL_API_URL" in line


def test_a_refusal_with_an_unreadable_body_is_not_retried(run: Run, server: FalServer) -> None:
    server.faults.append(Fault.answer(401, b"??", {"Content-Encoding": "br"}))
    result = run(*EVENTS)
    assert "answered 401; check FAL_KEY" in result.err
    assert len(server.requests) == 1


def test_a_redirect_is_not_followed_and_the_key_is_not_sent(
    run: Run, server: FalServer, world: World
) -> None:
    with FalServer(world) as other:
        elsewhere = other.url.replace("127.0.0.1", "localhost")
        server.faults.append(Fault.answer(302, b"", {"Location": f"{elsewhere}/models/billing-events"}))
        result = run(*EVENTS)
        assert other.requests == []
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "redirected to localhost, and the key does not follow" in line


@pytest.mark.parametrize("location", ["javascript:1", "http://xn--a/"])
def test_a_redirect_to_an_invalid_address_is_a_one_line_error(
    run: Run, server: FalServer, location: str
) -> None:
    server.faults.append(Fault.answer(302, b"", {"Location": location}))
    result = run(*EVENTS)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert "a redirect or a proxy has an invalid address; check FAL_API_URL and HTTPS_PROXY" in line
    assert len(server.requests) == 1


def test_a_proxy_with_an_invalid_name_is_a_one_line_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://a..b:80")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    (line,) = run(*EVENTS, "--api-url", "https://fal.example/v1").err.splitlines()
    assert "a redirect or a proxy has an invalid address; check FAL_API_URL and HTTPS_PROXY" in line


def test_a_message_of_several_lines_is_printed_on_one(run: Run, server: FalServer) -> None:
    server.faults.append(
        Fault.error(400, "validation_error", "one\ntwo\x1b[31m\r\nthree " + "x" * 5000, times=2)
    )
    (line,) = run(*EVENTS).err.splitlines()
    assert "one two [31m three xxx" in line and len(line) < 700


# ---------------------------------------------------------------- pauses


def pause(error: Exception, attempt: int = 1) -> float:
    """Return the pause after an error, with pauses of up to a minute."""
    state = RetryCallState(Retrying(), None, (), {})
    state.attempt_number = attempt
    state.outcome = Future.construct(attempt, error, True)
    return choose_pause(60, state)


def test_retry_after_can_exceed_our_longest_pause() -> None:
    for asked in (0, 17, 600):
        pauses = {pause(TransientError("429", asked)) for _ in range(20)}
        assert all(asked <= seen <= asked + 1 for seen in pauses)
        assert len(pauses) > 1  # threads do not retry all at once


@pytest.mark.parametrize("status", [429, 502])
@pytest.mark.parametrize(("header", "told"), [("601", "601"), ("86400", "86,400"), ("9" * 20, "0" * 3)])
def test_a_retry_after_of_more_than_ten_minutes_is_not_awaited(
    run: Run, server: FalServer, status: int, header: str, told: str
) -> None:
    server.faults.append(Fault.answer(status, HTML, {"Retry-After": header}, times=100))
    result = run("sync", "--since", "2026-01-25", "--concurrency", 1)
    assert result.code == 1
    (line,) = result.err.splitlines()
    assert re.search(rf", and requests a wait of [0-9,]*{told} seconds; run it again after that$", line)
    assert len(server.requests) < 6  # of twelve days


def test_pauses_grow_with_jitter_up_to_the_limit() -> None:
    pauses = [pause(TransientError("500"), attempt) for attempt in (1, 2, 3, 4, 9)]
    assert all(low <= seen <= low + 1 for low, seen in zip((1, 2, 4, 8), pauses, strict=False))
    assert pauses[-1] == 60
    assert len({pause(TransientError("500")) for _ in range(5)}) > 1


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
def test_retry_after_can_be_seconds_or_a_date(
    monkeypatch: pytest.MonkeyPatch, header: str, seconds: float | None
) -> None:
    monkeypatch.setattr(clock, "utc_now", lambda: datetime(2026, 2, 5, 12, tzinfo=UTC))
    assert read_retry_after(httpx.Response(429, headers={"Retry-After": header})) == seconds


class EndlessHints:
    """A server that answers each request with interim responses until the client has gone."""

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.connections = 0
        self.open = set[socket.socket]()
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        """The base URL of the API."""
        return f"{'https' if self._tls else 'http'}://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def _accept(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            self.connections += 1
            self.open.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        stream = connection
        with suppress(OSError):
            if self._tls:
                stream = self._tls.wrap_socket(connection, server_side=True)
            while True:
                stream.sendall(b"HTTP/1.1 103 Early Hints\r\n\r\n")
                time.sleep(0.02)
        stream.close()
        self.open.discard(connection)


@pytest.mark.parametrize("way", ["http", "https", "through a proxy"])
def test_a_try_that_takes_too_long_leaves_no_thread_and_no_connection(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, way: str
) -> None:
    monkeypatch.setattr(loaders.api, "LONGEST_TRY", 0.05)  # of ten seconds, so no read times out
    tls = None
    if way == "https":
        authority, tls = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(tls)
        authority.cert_pem.write_to_path(tmp_path / "authority.pem")
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    server = EndlessHints(tls)
    url = server.url
    if way == "through a proxy":
        for name in ("HTTPS_PROXY", "https_proxy"):
            monkeypatch.setenv(name, url.removesuffix("/v1"))
        url = "https://fal.example/v1"
    made: list[httpx.Client] = []
    true = Connection.__init__
    monkeypatch.setattr(
        Connection, "__init__", lambda self, client: made.append(client) or true(self, client)
    )
    with FalApi(ApiSettings(url, KEY, timeout=10, retry_max_wait=0.01)) as api:
        with pytest.raises(GaveUpError, match="it took longer than"):
            api.get("/models/billing-events", {}, lambda body: body)
        until = time.monotonic() + 60
        while (server.open or tries()) and time.monotonic() < until:
            time.sleep(0.05)
        assert (tries(), server.open) == ([], set())
        assert server.connections > 1
        assert len(made) == ATTEMPTS and all(client.is_closed for client in made)


def test_a_connection_that_is_aborted_before_its_request_is_closed() -> None:
    client = httpx.Client()
    connection = Connection(client)
    connection.abort()
    assert client.is_closed
    with pytest.raises(httpx.TransportError, match="aborted"), connection.stream("http://127.0.0.1", {}):
        pass


def tries() -> list[threading.Thread]:
    """Return the threads of tries."""
    return [thread for thread in threading.enumerate() if thread.name == "try"]


def test_cookies_are_not_sent_back(run: Run, server: FalServer) -> None:
    cookie = {"Set-Cookie": "session=1; Path=/"}
    server.faults.append(
        Fault.altered(lambda answer: replace(answer, headers=answer.headers | cookie), times=100)
    )
    assert run(*EVENTS, "--page-size", 20).code == 0
    assert len(server.requests) > 2
    assert [request.headers["cookie"] for request in server.requests if "cookie" in request.headers] == []


@pytest.mark.parametrize("limit", [8192, 10**6], ids=["new", "kept by an earlier version"])
def test_a_cursor_too_long_for_an_address_fails_only_its_day_and_the_next_run_lands_it(
    run: Run, server: FalServer, loads: Loads, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    def is_of_that_day(request: Request) -> bool:
        return (request.one("start") or "").startswith("2026-01-26")

    days = ("billing-events", "--start", "2026-01-26", "--end", "2026-01-29", "--page-size", 20)
    server.faults.append(Fault.altered(saying(next_cursor="c" * 70_000), times=100, when=is_of_that_day))
    with monkeypatch.context() as earlier:
        earlier.setattr(pages, "LONGEST_CURSOR", limit)
        result = run(*days)
    assert result.code == 1
    if limit == 8192:
        assert "next_cursor is over the limit of 8,192 bytes" in result.err
        assert (len(loads(day_of("2026-01-26"))), len(loads(day_of("*")))) == (0, 2)
    server.faults.clear()
    result = run(*days)
    assert (result.code, result.errors) == (0, [])
    assert loads(day_of("2026-01-26")) != []


def test_a_run_that_is_stopping_does_not_wait(server: FalServer) -> None:
    server.faults.append(Fault.rate_limited("60", times=100))
    with FalApi(ApiSettings(server.url, KEY)) as api:
        threading.Timer(0.1, api.stopping.set).start()
        began = time.monotonic()
        with pytest.raises(GaveUpError):
            api.get("/models/billing-events", {}, lambda body: body)
    assert time.monotonic() - began < 50
    assert len(server.requests) == 1


def test_a_run_that_stops_makes_no_further_request(server: FalServer) -> None:
    server.faults.append(Fault.rate_limited("0.3", times=100))

    def refused() -> Manifest:
        while not server.requests:
            time.sleep(0.01)
        raise UnauthorizedError("no")

    with FalApi(ApiSettings(server.url, KEY, retry_max_wait=0.01)) as api:
        jobs = [lambda: api.get("/models/billing-events", {}, lambda body: body), refused]
        with pytest.raises(UnauthorizedError):
            land_all(api, jobs, 2, Reporter(None, 2))
        assert api.stopping.is_set()
        time.sleep(0.5)
        assert len(server.requests) == 1
