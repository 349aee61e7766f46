"""Clients that keep the server waiting."""

import json
import socket
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from starlette.types import Receive, Scope, Send

from api import app, edge, overrides
from api.turns import DOWNLOADS_OF_TOKEN
from tests.api.serving import MARTS, MORE, publish_small, running, serving
from tests.api.test_app import error, run_export

AT_ONCE = 0.05  # seconds


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make all waits for a client short."""
    monkeypatch.setattr(overrides, "SILENT_AT_MOST", AT_ONCE)
    monkeypatch.setattr(app, "BODY_WITHIN", AT_ONCE)


def connect(url: str) -> socket.socket:
    """Open a connection to a server."""
    parts = urlsplit(url)
    return socket.create_connection((parts.hostname, parts.port), timeout=20)


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
def test_a_request_that_does_not_come_is_not_waited_for(served: None, sent: bytes) -> None:
    with running(hello) as url, connect(url) as connection:
        connection.sendall(sent)
        assert read_to_the_end(connection) == b""


@pytest.mark.parametrize("sent", [b"", b"12345"])
def test_the_rest_of_a_request_that_was_answered_is_not_waited_for(served: None, sent: bytes) -> None:
    with running(hello) as url, connect(url) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n" + sent)
        assert read_to_the_end(connection).endswith(b"\r\n\r\nhi")


def test_a_second_request_that_does_not_come_is_not_waited_for(served: None) -> None:
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


def test_a_body_that_does_not_come_is_a_408(served: None, tmp_path: Path) -> None:
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


def test_slow_downloads_of_a_token_have_a_bound_and_others_go_on(tmp_path: Path) -> None:
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
