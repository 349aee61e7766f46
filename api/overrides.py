"""Overrides of uvicorn's and Starlette's internals. All of them are in this module, each with its reason.

They depend on methods and attributes that are not part of a public interface, so an upgrade of uvicorn or
Starlette needs the tests test_connections.py, test_compression.py and test_app.py to pass.
"""

import logging
import re
import resource
import time
from asyncio import AbstractEventLoop, TimerHandle, Transport
from typing import Any

import h11
from anyio import CapacityLimiter, to_thread
from starlette.datastructures import Headers
from starlette.middleware.gzip import DEFAULT_EXCLUDED_CONTENT_TYPES, GZipMiddleware, GZipResponder
from starlette.responses import FileResponse, MalformedRangeHeader, RangeNotSatisfiable
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.edge import SECURITY_HEADERS
from api.errors import ApiError
from api.export_files import MEDIA_TYPES

log = logging.getLogger("api")

# -------------------------------------------------------------------------------------- uvicorn: connections

# half of the file descriptors: a server without free ones cannot open files either
CONNECTIONS_AT_MOST = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
# asyncio accepts so many connections before the server can count the first of them. They are closed a few
# turns of the loop later, so that several times as many can be open
BACKLOG = max(CONNECTIONS_AT_MOST // 8, 1)
SILENT_AT_MOST = 20.0  # seconds that a client may take for the head of a request, or to read a chunk
REPORT_EVERY = 60.0  # seconds between two log lines about connections that cannot be accepted

HEAD_END = re.compile(rb"\n\r?\n")  # as in h11, which refuses empty lines before a request
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
CONTENT_LENGTH = re.compile(rb"^content-length\s*:", re.IGNORECASE | re.MULTILINE)
TRANSFER_ENCODING = re.compile(rb"^transfer-encoding\s*:", re.IGNORECASE | re.MULTILINE)


class ClientConnection(H11Protocol):
    """A connection that is closed when its client keeps it waiting.

    Reason: uvicorn has no timeout for the head of a request, for its body or for a client that stops
    reading. It limits requests in progress, but not connections.
    """

    waiting: TimerHandle | None = None
    sending: TimerHandle | None = None
    flushing: TimerHandle | None = None

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **options)
        self.access_log = False  # uvicorn's own log contains parameters, with any logging settings
        self.app_state = {**self.app_state, "abort": self.abort}  # becomes the state of each scope
        self.head = HeadCheck()

    def connection_made(self, transport: Transport) -> None:  # type: ignore[override]  # as in H11Protocol
        """Start the timer for the head of the first request, or refuse a connection that is one too many."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_AT_MOST:
            transport.abort()
        else:
            self.set_timer()

    def handle_events(self) -> None:
        """Handle received bytes.

        Reason: h11 accepts a head that a proxy may read as one of another length. Such a head is refused.
        """
        if self.conn.their_state is h11.IDLE and self.head.is_ambiguous(self.conn.trailing_data[0]):
            self.send_400_response("ambiguous")
        else:
            super().handle_events()

    def data_received(self, data: bytes) -> None:
        """Handle received bytes, then set the timer for the next ones."""
        super().data_received(data)
        self.set_timer()

    def on_response_complete(self) -> None:
        """Set timers for the rest of the request and for the end of the response."""
        cancel(self.flushing)
        self.flushing = self.loop.call_later(SILENT_AT_MOST, self.abort_unsent)
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY and (b"transfer-encoding", b"chunked") in self.headers:
            self.transport.close()  # the rest of the request has no bound
        self.set_timer()

    def set_timer(self) -> None:
        """Start the timer while the client owes bytes, and stop it while a request is answered.

        The timer runs from the first byte: a request that arrives byte by byte does not get more time.
        """
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering or self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            cancel(self.waiting)
            self.waiting = None
        elif self.waiting is None:
            self.waiting = self.loop.call_later(SILENT_AT_MOST, self.transport.close)

    def abort(self) -> None:
        """Close the connection, and drop the bytes that were not sent yet."""
        self.transport.abort()

    def abort_unsent(self) -> None:
        """Close the connection if the client has not read the end of its response yet."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.transport.get_write_buffer_size() and not answering:
            self.abort()

    def pause_writing(self) -> None:
        """Start the timer of a client that reads more slowly than the server sends."""
        super().pause_writing()
        self.sending = self.loop.call_later(SILENT_AT_MOST, self.transport.abort)

    def resume_writing(self) -> None:
        """Stop the timer: the client has read enough."""
        super().resume_writing()
        cancel(self.sending)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        super().connection_lost(exc)
        for timer in (self.waiting, self.sending, self.flushing):
            cancel(timer)

    def send_400_response(self, msg: str) -> None:
        """Answer a malformed request, unless a response has begun.

        Reason: uvicorn answers plain text. All errors of this server are an Error in JSON.
        """
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = ApiError(400, "invalid_request", "the request is not valid HTTP").encode()
            headers = {
                **SECURITY_HEADERS,
                "Content-Type": "application/json",
                "Content-Length": str(len(body)),
                "Connection": "close",
            }
            response = h11.Response(status_code=400, headers=list(headers.items()), reason=b"Bad Request")
            for event in (response, h11.Data(data=body), h11.EndOfMessage()):
                self.transport.write(self.conn.send(event))
        self.transport.close()


class HeadCheck:
    """Checks the heads of a connection's requests while they arrive. Each byte is read once."""

    def __init__(self) -> None:
        self.checked = 0  # bytes of the head that have arrived

    def is_ambiguous(self, received: bytes) -> bool:
        """Return whether a head has lines that end with LF alone, or both kinds of length.

        h11 accepts both; a proxy may read them in another way. RFC 9112, sections 2.2 and 6.3.
        received: the request so far, which has grown since the last call.
        """
        end = HEAD_END.search(received, max(self.checked - 2, 0))
        size = end.end() if end else len(received)
        has_bare_line_feed = BARE_LINE_FEED.search(received, self.checked, size)
        self.checked = 0 if end else size
        if has_bare_line_feed or not end:
            return bool(has_bare_line_feed)
        return bool(CONTENT_LENGTH.search(received, 0, size) and TRANSFER_ENCODING.search(received, 0, size))


class LoopErrors:
    """Logs errors of the event loop. A failure to accept connections is one line in a while.

    Reason: asyncio logs a traceback for each connection that it cannot accept, up to the backlog in a turn.
    """

    def __init__(self) -> None:
        self.reported_at = -REPORT_EVERY

    def __call__(self, loop: AbstractEventLoop, context: dict[str, Any]) -> None:
        """Log an error. context: see asyncio's call_exception_handler."""
        error = context.get("exception")
        if "socket.accept()" not in context["message"] or not isinstance(error, OSError):
            loop.default_exception_handler(context)
        elif time.monotonic() - self.reported_at >= REPORT_EVERY:
            self.reported_at = time.monotonic()
            log.error("connections cannot be accepted: %s", error.strerror)


def cancel(timer: TimerHandle | None) -> None:
    """Cancel a timer, if there is one."""
    if timer is not None:
        timer.cancel()


# -------------------------------------------------------------------------------------- Starlette: responses


class Download(FileResponse):
    """A file, or a range of it."""

    @classmethod
    def _parse_range_header(cls, http_range: str, file_size: int) -> list[tuple[int, int]]:
        """Return the ranges to send. Ignores malformed ranges; without a range, sends the whole file.

        Reason: Starlette answers plain text to an invalid range. All errors of this server are an Error.
        """
        try:
            return super()._parse_range_header(http_range, file_size)
        except MalformedRangeHeader:
            return []
        except RangeNotSatisfiable:
            raise ApiError(
                416,
                "range_not_satisfiable",
                f"the file has {file_size} bytes",
                headers={"Content-Range": f"bytes */{file_size}"},
            ) from None


# ------------------------------------------------------------------------------------ Starlette: compression

# a page of 1,000 records (1.9 MB) takes 5 ms and 147 KB at level 1, 9 ms and 99 KB at 5, 22 ms and 88 KB at 9
LEVEL = 5
AT_ONCE = 2  # compressions
REFUSAL = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)", re.IGNORECASE)


class Compression(GZipMiddleware):
    """Compresses responses, but not downloads: ranges of a file are ranges of its own bytes."""

    def __init__(self, app: ASGIApp) -> None:
        excluded = (*DEFAULT_EXCLUDED_CONTENT_TYPES, *MEDIA_TYPES.values())
        super().__init__(app, compresslevel=LEVEL, exclude_content_types=excluded)
        self.limiter = CapacityLimiter(AT_ONCE)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request.

        Reason: Starlette searches for the word gzip, which gzip;q=0 contains as well.
        """
        if scope["type"] == "http" and REFUSAL.search(Headers(scope=scope).get("Accept-Encoding", "")):
            # in place: the router adds the route to this scope, and the access log reads it
            scope["headers"] = [pair for pair in scope["headers"] if pair[0] != b"accept-encoding"]
        if scope["type"] == "http" and "gzip" in Headers(scope=scope).get("Accept-Encoding", ""):
            await Compressor(self)(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


class Compressor(GZipResponder):
    """Compresses one response.

    Reason: Starlette's own compresses large pieces of up to 40 responses at once.
    """

    def __init__(self, settings: Compression) -> None:
        super().__init__(
            settings.app,
            settings.minimum_size,
            settings.compresslevel,
            exclude_content_types=settings.exclude_content_types,
        )
        self.limiter = settings.limiter

    async def apply_compression(self, body: bytes, *, more_body: bool) -> bytes:
        """Compress a piece of the response."""
        if len(body) < self.thread_minimum_size:
            return self._compress_body(body, more_body)
        return await to_thread.run_sync(self._compress_body, body, more_body, limiter=self.limiter)
