"""Clients that keep the server waiting."""

import asyncio
import errno
import json
import logging
import os
import random
import re
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Receive, Scope, Send

from api import app, edge, overrides
from api.overrides import HeadCheck, LoopErrors
from api.turns import DOWNLOADS_OF_TOKEN
from tests.api.serving import MARTS, MORE, publish_small, running, serving
from tests.api.test_app import error, run_export

pytestmark = pytest.mark.slow

AT_ONCE = 0.05  # seconds
DESCRIPTORS = 256  # of a server whose connections use them up


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make all waits for a client short."""
    monkeypatch.setattr(overrides, "SILENT_AT_MOST", AT_ONCE)
    monkeypatch.setattr(app, "BODY_WITHIN", AT_ONCE)


def connect(url: str) -> socket.socket:
    """Open a connection to a server."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=120)


def read_to_the_end(connection: socket.socket) -> bytes:
    """Return all bytes that the server sends until it closes the connection."""
    received = b""
    while piece := connection.recv(65536):
        received += piece
    return received


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer every request with two bytes."""
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return
    headers = [(b"content-length", b"2")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"hi"})


@pytest.mark.parametrize("sent", [b"", b"G", b"GET / HTTP/1.1\r\nHost: a\r\n"])
def test_a_connection_without_a_request_is_closed(served: None, sent: bytes) -> None:
    with running(hello) as url, connect(url) as connection:
        connection.sendall(sent)
        assert read_to_the_end(connection) == b""


@pytest.mark.parametrize("sent", [b"", b"12345"])
def test_the_rest_of_an_answered_request_is_not_awaited(served: None, sent: bytes) -> None:
    with running(hello) as url, connect(url) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n" + sent)
        assert read_to_the_end(connection).endswith(b"\r\n\r\nhi")


def test_a_connection_without_a_second_request_is_closed(served: None) -> None:
    with running(hello) as url, connect(url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\nGET / HTTP")
        assert read_to_the_end(connection).endswith(b"\r\n\r\nhi")


def test_requests_one_after_the_other_use_one_connection() -> None:
    with running(hello) as url, connect(url) as connection:
        for _ in range(3):
            connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\nhi"):
                answer += connection.recv(65536)


def test_a_client_that_does_not_read_is_dropped(served: None) -> None:
    ended = threading.Event()

    async def endless(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await hello(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(1000):
            await send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
        await send({"type": "http.response.body"})
        ended.set()
        return None

    with running(endless) as url, connect(url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert ended.wait(20)


def test_a_body_that_does_not_arrive_is_a_408(served: None, tmp_path: Path) -> None:
    publish_small(tmp_path / "published")
    with serving(tmp_path / "published", tmp_path) as api, connect(api.url) as connection:
        head = f"POST /focus/v1/cost-and-usage/export HTTP/1.1\r\nHost: a\r\nX-API-Key: {api.token}\r\n"
        connection.sendall(f"{head}Content-Type: application/json\r\nContent-Length: 9\r\n\r\n{{".encode())
        answer = read_to_the_end(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "request_timeout"


def test_a_client_that_does_not_read_the_end_of_its_answer_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overrides, "SILENT_AT_MOST", 0.5)

    async def large(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            return await hello(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(100):  # more than the kernel buffers
            await send({"type": "http.response.body", "body": b" " * 65536, "more_body": True})
        await send({"type": "http.response.body"})
        return None

    with running(large) as url, connect(url) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        time.sleep(2)
        assert len(read_to_the_end(connection)) < 100 * 65536


def test_a_slow_reader_of_a_large_page_is_cut_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge, "GRACE", 0.1)
    monkeypatch.setattr(edge, "LEAST_RATE", 100_000_000)
    publish_many(tmp_path / "published", 10_000)
    with serving(tmp_path / "published", tmp_path) as api, connect(api.url) as connection:
        head = (
            f"GET /focus/v1/cost-and-usage?pageSize=10000 HTTP/1.1\r\nHost: a\r\nX-API-Key: {api.token}\r\n"
        )
        connection.sendall(f"{head}\r\n".encode())
        time.sleep(2)  # the kernel buffers a part of the 12 MB
        assert not read_to_the_end(connection).endswith(b"0\r\n\r\n")


def test_slow_downloads_of_a_token_are_limited_and_others_continue(tmp_path: Path) -> None:
    publish_many(tmp_path / "published", 10_000)
    with (
        serving(tmp_path / "published", tmp_path) as served,
        served.client() as api,
        served.limited_to("other", "studio") as other,
        ExitStack() as open_connections,
    ):
        period = {"billingPeriodStart": "2026-01-01T00:00:00Z", "billingPeriodEnd": "2027-01-01T00:00:00Z"}
        urls = {client: run_export(client, **period)["downloadUrl"] for client in (api, other)}
        head = f"GET {urlsplit(urls[api]).path} HTTP/1.1\r\nHost: a\r\nX-API-Key: {served.token}\r\n\r\n"
        slow = [open_connections.enter_context(connect(served.url)) for _ in range(DOWNLOADS_OF_TOKEN)]
        for connection in slow:
            connection.sendall(head.encode())
            assert connection.recv(12) == b"HTTP/1.1 200"
        refused = api.get(urls[api])
        assert (refused.status_code, error(refused)["code"]) == (429, "rate_limited")
        assert refused.headers["retry-after"] == "1"
        assert "running downloads" in refused.json()["message"]
        assert api.get("/schema").status_code == other.get(urls[other]).status_code == 200
        slow[0].close()
        while (again := api.get(urls[api])).status_code == 429:
            time.sleep(0.05)
        assert again.status_code == 200


def publish_many(folder: Path, charges: int) -> None:
    """Publish the small publication with more charges and long tags."""
    more = MARTS["focus.cost_and_usage"].replace(f"range(1, {MORE + 1})", f"range(1, {charges + 1})")
    more = more.replace("n, 0, null, null,", "n, 0, '{\"a\": \"' || repeat('x', 1000) || '\"}', null,")
    publish_small(folder, marts=MARTS | {"focus.cost_and_usage": more})


def test_a_burst_of_connections_does_not_use_up_the_descriptors(tmp_path: Path) -> None:
    publish_small(tmp_path / "published")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with ExitStack() as stack, log.open("wb") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "api", "serve", "--port", str(port)],
            env=os.environ
            | {
                "FAL_PUBLISH_DIR": str(tmp_path / "published"),
                "FOCUS_API_TOKENS_FILE": str(tmp_path / "tokens.json"),
                "FOCUS_API_EXPORT_DIR": str(tmp_path / "exports"),
            },
            stderr=output,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS)),
        )
        stack.callback(server.wait)
        stack.callback(server.kill)
        wait_for_health(port, server)
        server.send_signal(signal.SIGSTOP)  # so that all connections wait to be accepted
        burst = [stack.enter_context(socket.socket()) for _ in range(2 * DESCRIPTORS)]
        for connection in burst:
            connection.setblocking(False)
            with suppress(BlockingIOError):
                connection.connect(("127.0.0.1", port))
        server.send_signal(signal.SIGCONT)
        time.sleep(2)
        for connection in burst:
            connection.close()
        wait_for_health(port, server)
    assert "Traceback" not in log.read_text()
    assert "connections cannot be accepted" not in log.read_text()


def wait_for_health(port: int, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers. A server that has ended is an error."""
    while server.poll() is None:
        with suppress(httpx.TransportError):
            if httpx.get(f"http://127.0.0.1:{port}/health", timeout=120).status_code == 200:
                return
        time.sleep(0.05)
    raise AssertionError("the server has ended")


def test_connections_that_cannot_be_accepted_are_logged_in_one_line(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    report = LoopErrors()
    full = {
        "message": "socket.accept() out of system resource",
        "exception": OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
    }
    loop = asyncio.new_event_loop()
    with caplog.at_level(logging.ERROR):
        for _ in range(1000):
            report(loop, full)
        assert [record.getMessage() for record in caplog.records] == [
            "connections cannot be accepted: Too many open files"
        ]
        monkeypatch.setattr(overrides, "REPORT_EVERY", 0.0)
        report(loop, full)
        report(loop, {"message": "another error", "exception": ValueError("a bug")})
    loop.close()
    assert len(caplog.records) == 3
    assert caplog.records[0].exc_info is None and caplog.records[2].exc_info


class CountingPattern:
    """A pattern that counts the bytes that it searches."""

    searched = 0

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self.pattern = pattern

    def search(self, content: bytes, start: int = 0, end: int | None = None) -> re.Match[bytes] | None:
        """Search, and count the bytes between start and end."""
        end = len(content) if end is None else end
        CountingPattern.searched += end - start
        return self.pattern.search(content, start, end)


def test_each_byte_of_a_head_is_searched_a_few_times_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_END", "BARE_LINE_FEED", "CONTENT_LENGTH", "TRANSFER_ENCODING"):
        monkeypatch.setattr(overrides, name, CountingPattern(getattr(overrides, name)))
    monkeypatch.setattr(CountingPattern, "searched", 0)
    head = b"GET / HTTP/1.1\r\nX: " + b"a" * 5000 + b"\r\n\r\n"
    check = HeadCheck()
    assert not any(check.is_ambiguous(head[: size + 1]) for size in range(len(head)))
    assert CountingPattern.searched < 10 * len(head)


LINES = b"GET / HTTP/1.1\r\nHost: a\r\n"
BOTH = b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"


@pytest.mark.parametrize(
    ("received", "is_ambiguous"),
    [
        (LINES + b"\r\n", False),
        (LINES + b"Content-Length: 9\r\n\r\n\n\nTransfer-Encoding: chunked", False),
        (LINES + b"\n", True),
        (LINES + b"X: a\nY: b\r\n\r\n", True),
        (LINES + b"X: a\r\n\n", True),
        (LINES + b"X: a\n\r\n", True),
        (b"\n" + LINES + b"\r\n", True),
        (LINES + BOTH + b"\r\n", True),
        (LINES + b"X: a\r\r\n" + BOTH + b"\r\r\n\r\n", True),
    ],
)
def test_an_ambiguous_head_is_detected_in_any_pieces(received: bytes, is_ambiguous: bool) -> None:
    pieces = random.Random(1)
    assert HeadCheck().is_ambiguous(received) == is_ambiguous
    for _ in range(200):
        ends = sorted({pieces.randrange(1, len(received)) for _ in range(pieces.randrange(1, 9))})
        check = HeadCheck()
        arrived = [received[:end] for end in [*ends, len(received)]]
        until = [size for size, part in enumerate(arrived) if re.search(rb"\n\r?\n", part)]
        heads = arrived[: until[0] + 1]  # later bytes belong to the body
        assert any(check.is_ambiguous(part) for part in heads) == is_ambiguous


def test_a_chunked_body_that_does_not_end_is_not_read_after_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(overrides, "SILENT_AT_MOST", 600.0)
    with running(hello) as url, connect(url) as connection:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
        connection.sendall(head)
        assert connection.recv(12) == b"HTTP/1.1 200"
        with pytest.raises(OSError):  # the connection is closed
            for _ in range(2000):
                connection.sendall(b"2\r\nab\r\n")
                time.sleep(0.005)


@pytest.mark.parametrize("path", ["/health", "/focus/v1/schema"])
def test_a_body_that_is_too_large_by_its_length_is_not_read(tmp_path: Path, path: str) -> None:
    publish_small(tmp_path / "published")
    with serving(tmp_path / "published", tmp_path) as api, connect(api.url) as connection:
        connection.sendall(f"GET {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 65537\r\n\r\n".encode())
        answer = read_to_the_end(connection)
    assert answer.startswith(b"HTTP/1.1 413 ")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["code"] == "body_too_large"
