"""The local fal over HTTP/1.1 on loopback: parameters, keys, pages, errors."""

import gzip
import json
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Sequence
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit

from tests.fal_server.calls import LIST_CALLS
from tests.fal_server.events import Event, order
from tests.fal_server.faults import AS_IT_SHOULD, Delivery, Script
from tests.fal_server.messages import Answer, Request
from tests.fal_server.parameters import (
    ApiError,
    invalid,
    read_buckets,
    read_expansions,
    read_ids,
    read_window,
    take_page,
)
from tests.fal_server.reports import month_start
from tests.fal_server.usage_calls import USAGE_CALLS
from tests.fal_server.world import World

ADMIN_CALLS = {"/keys", "/serverless/usage"}
# the most rows of a page of /organization/billing-events
ORGANIZATION_CAP = 100
EXPANSIONS = {"auth_method", "auth_method_structured"}
REPORT_EXPANSIONS = {"organization"}


class FalServer:
    """Serves a world until the `with` block ends.

    page_cap: maximum rows of a page, regardless of limit. expanded_page_cap: the maximum for requests with
    expansions (default: the same). tls: serve https with this.
    `url` is the value for FAL_API_URL, `requests` has all requests so far, and tests append to `faults`.
    """

    def __init__(
        self,
        world: World,
        page_cap: int = 10_000,
        port: int = 0,
        expanded_page_cap: int | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.world = world
        self.page_cap = page_cap
        self.expanded_page_cap = expanded_page_cap
        self.requests: list[Request] = []
        self.faults = Script()
        self.stopping = threading.Event()
        self.tls = tls
        self._calls: dict[str, Callable[[Request, str], Answer]] = {
            path: partial(call, self) for path, call in (LIST_CALLS | USAGE_CALLS).items()
        }
        self._calls |= {
            "/models/billing-events": self._billing_events,
            "/organization/billing-events": self._organization_events,
            "/account/focus": self._focus,
            "/organization/focus": self._organization_focus,
        }
        self._http = _Server(("127.0.0.1", port), self)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The base URL of the API."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self._http.server_address[1]}/v1"

    def start(self) -> "FalServer":
        """Start to serve."""
        self._thread.start()
        return self

    def stop(self) -> None:
        """Stop to serve and free the port."""
        self.stopping.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def __enter__(self) -> "FalServer":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def answer(self, request: Request) -> Answer:
        """Answer a request, without faults."""
        try:
            account = self._account(request)
            path = request.path.removeprefix("/v1")
            if path == request.path or path not in self._calls:
                raise ApiError(404, "not_found", f"No such endpoint: {request.path}")
            self._check_rights(path, account)
            return self._calls[path](request, account)
        except ApiError as error:
            return error.answer()

    def _account(self, request: Request) -> str:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        for account, its_key in self.world.accounts.items():
            if scheme == "Key" and key == its_key:
                return account
        raise ApiError(401, "authorization_error", "Authentication is required to access this endpoint")

    def _check_rights(self, path: str, account: str) -> None:
        """Raise an ApiError for a path that this key may not call."""
        world = self.world
        if status := world.refused.get(path):
            kind = "not_found" if status == 404 else "authorization_error"
            raise ApiError(status, kind, f"No such endpoint: {path}" if status == 404 else "Access denied")
        is_of_organization = path.startswith("/organization/")
        if account in world.not_admin and (path in ADMIN_CALLS or is_of_organization):
            raise ApiError(403, "authorization_error", "This endpoint requires an admin key")
        if is_of_organization and account not in world.teams:
            raise ApiError(403, "authorization_error", "This account is not the root of an organization")
        if path in ("/account/focus", "/organization/focus") and account in world.non_enterprise:
            raise ApiError(
                403, "authorization_error", "FOCUS reports are available to enterprise accounts only"
            )

    # ---------------------------------------------------------------- billing events

    def _billing_events(self, request: Request, account: str) -> Answer:
        start, end = read_window(request, self.world.now)
        return self._events(request, account, self.world.window(account, start, end), self.page_cap)

    def _organization_events(self, request: Request, account: str) -> Answer:
        start, end = read_window(request, self.world.now)
        wanted = request.many("team_username")
        teams = [team.username for team in self.world.members(account)]
        kept = [username for username in teams if not wanted or username in wanted]
        rows = [event for username in kept for event in self.world.window(username, start, end)]
        rows.sort(key=order, reverse=True)
        return self._events(request, account, rows, min(self.page_cap, ORGANIZATION_CAP), username=True)

    def _events(
        self, request: Request, account: str, rows: list[Event], cap: int, *, username: bool = False
    ) -> Answer:
        expand = read_expansions(request, EXPANSIONS)
        structured = "auth_method_structured" in expand
        if structured and self.world.switches_of(account).no_structured_auth:
            raise invalid("expand: unknown value 'auth_method_structured'")
        if expand:
            cap = min(cap, self.expanded_page_cap or cap)
        page, next_cursor = take_page(request, self._filtered(request, rows), cap, self.world.shift)
        events = ",".join(
            event.json(label="auth_method" in expand, structured=structured, username=username)
            for event in page
        )
        news = ',"request_cost":{"units":1}' if self.world.oddities.new_fields else ""
        cursor, has_more = json.dumps(next_cursor), json.dumps(next_cursor is not None)
        body = f'{{"next_cursor":{cursor},"has_more":{has_more}{news},"billing_events":[{events}]}}'
        return Answer(200, body.encode())

    def _filtered(self, request: Request, rows: list[Event]) -> list[Event]:
        for name in ("endpoint_id", "request_id"):
            wanted = read_ids(request, name)
            rows = [row for row in rows if getattr(row, name) in wanted] if wanted else rows
        for name in ("api_key_id", "login_username"):
            wanted = set(request.many(name))
            rows = [row for row in rows if getattr(row, name) in wanted] if wanted else rows
        return rows

    # ---------------------------------------------------------------- FOCUS reports

    def _focus(self, request: Request, account: str) -> Answer:
        return self._report(request, account, bool(read_expansions(request, REPORT_EXPANSIONS)))

    def _organization_focus(self, request: Request, account: str) -> Answer:
        return self._report(request, account, True, request.many("team_username"))

    def _report(
        self, request: Request, account: str, organization: bool, teams: Sequence[str] = ()
    ) -> Answer:
        source = request.one("source")
        if source not in ("invoice", "estimate"):
            raise invalid("source: must be 'invoice' or 'estimate'")
        if source == "invoice" and teams:
            raise invalid("team_username: only with source=estimate")
        if source == "invoice":
            report = self._invoice(request, account, organization)
        else:
            buckets = read_buckets(request, self.world.now)
            report = self.world.estimate_csv(
                account,
                buckets.start,
                buckets.end,
                buckets.timeframe,
                buckets.timezone,
                buckets.bound,
                organization=organization,
                teams=teams,
            )
        return Answer(200, report, "text/csv; charset=utf-8")

    def _invoice(self, request: Request, account: str, organization: bool) -> bytes:
        billing, charge = request.one("billing_month"), request.one("charge_month")
        if (billing is None) == (charge is None):
            raise invalid("give either billing_month or charge_month")
        try:
            month = f"{month_start(billing):%Y-%m}" if billing else f"{month_start(charge or '', 1):%Y-%m}"
        except ValueError:
            raise invalid("billing_month, charge_month: must be YYYY-MM") from None
        try:
            return self.world.invoice_csv(account, month, organization=organization)
        except KeyError:
            raise ApiError(404, "not_found", f"There is no invoice for {month}") from None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], fal: FalServer) -> None:
        self.fal = fal
        super().__init__(address, _Handler)

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept a connection. Its own thread does the TLS handshake at the first read."""
        connection, address = super().get_request()
        if self.fal.tls:
            connection = self.fal.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        return connection, address

    def handle_error(self, request: object, client_address: object) -> None:
        """Ignore clients that disconnect in the middle of a response."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version = "local-fal"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """Log the request, then answer it or apply the next fault."""
        fal = self.server.fal
        url = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(url.path, parse_qs(url.query, keep_blank_values=True), headers)
        fal.requests.append(request)
        fault = fal.faults.take(request)
        if fault is None:
            self._deliver(fal.answer(request), AS_IT_SHOULD)
        else:
            self._deliver(fault.answering(fal, request), fault.delivery)

    def log_message(self, *args: object) -> None:
        """Print nothing; `FalServer.requests` is the log."""

    def _deliver(self, answer: Answer, delivery: Delivery) -> None:
        head, body = self._rendered(answer, delivery)
        # in one write: two would wait for an acknowledgement (Nagle's algorithm)
        at_once = {"head": b"", "body": head, None: head + body}[delivery.drip]
        if delivery.sent != "nothing":
            self.wfile.write(at_once)
            for number in (head + body)[len(at_once) :]:
                self.server.fal.stopping.wait(delivery.seconds)
                self.wfile.write(bytes([number]))
        if delivery.ending == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        elif delivery.ending == "silence":
            self.server.fal.stopping.wait(delivery.seconds)
        self.close_connection = self.close_connection or delivery.ending != "keep"

    def _rendered(self, answer: Answer, delivery: Delivery) -> tuple[bytes, bytes]:
        """Return the status line with headers, and the part of the body to send."""
        body = answer.body
        headers = {"Content-Type": answer.content_type} | answer.headers
        if "gzip" in self.headers.get("Accept-Encoding", "") and "Content-Encoding" not in headers:
            body = gzip.compress(body, 1, mtime=0)
            headers["Content-Encoding"] = "gzip"
        headers |= {
            "length": {"Content-Length": str(len(body))},
            "chunked": {"Transfer-Encoding": "chunked"},
            "close": {"Connection": "close"},
        }[delivery.framing]
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        head = b"".join(self._headers_buffer) + b"\r\n"
        self._headers_buffer.clear()
        is_whole = delivery.sent == "all"
        middle = len(body) // 2
        sent = body if is_whole else body[: body.rfind(b"\n", 0, middle) + 1 or middle]
        if delivery.framing == "chunked":
            sent = b"%x\r\n%b\r\n" % (len(sent), sent) + (b"0\r\n\r\n" if is_whole else b"")
        return head, sent
