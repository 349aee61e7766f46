"""The local fal over HTTP/1.1 on loopback: parameters, keys, pages, errors."""

import gzip
import json
import socket
import ssl
import struct
import threading
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

from tests.fal_server.events import Event
from tests.fal_server.faults import AS_IT_SHOULD, Delivery, Script
from tests.fal_server.messages import Answer, Request, error_answer, read_cursor, write_cursor
from tests.fal_server.reports import TIMEFRAMES, default_timeframe, month_start
from tests.fal_server.world import World

LONGEST_WINDOW = timedelta(days=90)
MOST_IDS = 50
EXPANSIONS = {"auth_method", "auth_method_structured"}
REPORT_EXPANSIONS = {"organization"}


class ApiError(Exception):
    """An error response in fal's format."""

    def __init__(self, status: int, type_: str, message: str) -> None:
        super().__init__(message)
        self.status, self.type, self.message = status, type_, message

    def answer(self) -> Answer:
        """Make the response."""
        return error_answer(self.status, self.type, self.message)


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
            if request.path == "/v1/models/billing-events":
                return self._billing_events(request, account)
            if request.path == "/v1/account/focus":
                return self._focus(request, account)
            raise ApiError(404, "not_found", f"No such endpoint: {request.path}")
        except ApiError as error:
            return error.answer()

    def _account(self, request: Request) -> str:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        for account, its_key in self.world.accounts.items():
            if scheme == "Key" and key == its_key:
                return account
        raise ApiError(401, "authorization_error", "Authentication is required to access this endpoint")

    # ---------------------------------------------------------------- /models/billing-events

    def _billing_events(self, request: Request, account: str) -> Answer:
        start, end = self._window(request)
        expand = _expansions(request, EXPANSIONS)
        cap = min(self.page_cap, self.expanded_page_cap or self.page_cap) if expand else self.page_cap
        limit = min(_positive(request.one("limit"), cap, "limit"), cap)
        page = 0
        if cursor := request.one("cursor"):
            try:
                page, limit = read_cursor(cursor)
            except ValueError:
                raise _invalid("cursor: not one of ours") from None
        rows = self._filtered(request, self.world.window(account, start, end))
        # New rows shift the list while it is read, so pages overlap by a few rows.
        shift = min(self.world.shift, limit - 1)
        first = page * (limit - shift)
        has_more = first + limit < len(rows)
        events = ",".join(
            event.json(label="auth_method" in expand, structured="auth_method_structured" in expand)
            for event in rows[first : first + limit]
        )
        cursor = json.dumps(write_cursor(page + 1, limit) if has_more else None)
        news = ',"request_cost":{"units":1}' if self.world.oddities.new_fields else ""
        body = (
            f'{{"next_cursor":{cursor},"has_more":{json.dumps(has_more)}{news},"billing_events":[{events}]}}'
        )
        return Answer(200, body.encode())

    def _filtered(self, request: Request, rows: list[Event]) -> list[Event]:
        for name in ("endpoint_id", "request_id"):
            wanted = set(request.many(name))
            if len(request.many(name)) > MOST_IDS or (name in request.params and not wanted):
                raise _invalid(f"{name}: give 1 to {MOST_IDS} values")
            rows = [row for row in rows if getattr(row, name) in wanted] if wanted else rows
        for name in ("api_key_id", "login_username"):
            wanted = set(request.many(name))
            rows = [row for row in rows if getattr(row, name) in wanted] if wanted else rows
        return rows

    def _window(self, request: Request) -> tuple[datetime, datetime]:
        end = _moment(request.one("end"), self.world.now, "end")
        start = _moment(request.one("start"), end - timedelta(hours=24), "start")
        if start >= end:
            raise _invalid("start must be before end")
        if end - start > LONGEST_WINDOW:
            raise _invalid("The time range must not be longer than 90 days")
        return start, end

    # ---------------------------------------------------------------- /account/focus

    def _focus(self, request: Request, account: str) -> Answer:
        if account in self.world.non_enterprise:
            raise ApiError(
                403, "authorization_error", "FOCUS reports are available to enterprise accounts only"
            )
        source = request.one("source")
        if source == "invoice":
            return self._invoice(request, account)
        if source == "estimate":
            return self._estimate(request, account)
        raise _invalid("source: must be 'invoice' or 'estimate'")

    def _invoice(self, request: Request, account: str) -> Answer:
        billing, charge = request.one("billing_month"), request.one("charge_month")
        if (billing is None) == (charge is None):
            raise _invalid("give either billing_month or charge_month")
        try:
            month = f"{month_start(billing):%Y-%m}" if billing else f"{month_start(charge or '', 1):%Y-%m}"
        except ValueError:
            raise _invalid("billing_month, charge_month: must be YYYY-MM") from None
        try:
            report = self.world.invoice_csv(account, month, organization=_over_all_teams(request))
            return Answer(200, report, "text/csv; charset=utf-8")
        except KeyError:
            raise ApiError(404, "not_found", f"There is no invoice for {month}") from None

    def _estimate(self, request: Request, account: str) -> Answer:
        start, end = self._window(request)
        timeframe = request.one("timeframe") or default_timeframe(start, end)
        if timeframe not in TIMEFRAMES:
            raise _invalid(f"timeframe: must be one of {', '.join(TIMEFRAMES)}")
        timezone = request.one("timezone") or "UTC"
        try:
            ZoneInfo(timezone)
        except (ValueError, OSError, KeyError):
            raise _invalid(f"timezone: unknown: {timezone}") from None
        bound = request.one("bound_to_timeframe") or "true"
        if bound not in ("true", "false"):
            raise _invalid("bound_to_timeframe: must be 'true' or 'false'")
        report = self.world.estimate_csv(
            account, start, end, timeframe, timezone, bound == "true", organization=_over_all_teams(request)
        )
        return Answer(200, report, "text/csv; charset=utf-8")


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


def _invalid(message: str) -> ApiError:
    return ApiError(400, "validation_error", message)


def _expansions(request: Request, known: set[str]) -> set[str]:
    expand = set(request.many("expand"))
    if expand - known:
        raise _invalid(f"expand: unknown value {sorted(expand - known)[0]!r}")
    return expand


def _over_all_teams(request: Request) -> bool:
    return bool(_expansions(request, REPORT_EXPANSIONS))


def _positive(text: str | None, default: int, name: str) -> int:
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise _invalid(f"{name}: must be a whole number of at least 1")
    return int(text)


def _moment(text: str | None, default: datetime, name: str) -> datetime:
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise _invalid(f"{name}: must be an ISO 8601 date or date-time") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
