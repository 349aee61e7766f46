"""Connections: uvicorn's, but for clients that are slow, and for what is no HTTP."""

import asyncio
import errno
import re
import resource
from asyncio import TimerHandle, Transport
from typing import Any

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.edge import SECURITY_HEADERS
from api.errors import ApiError, ServingError

GRACE = 30  # seconds that requests have to end when the server is stopped
# half of what may be open: a server without file descriptors can do nothing any more
CONNECTIONS_AT_MOST = min(1000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2)
SILENT_AT_MOST = 20.0  # seconds a client may take for a request's head, or to take a piece of an answer

HEAD_END = re.compile(rb"(?<=[^\r\n])\r?\n\r?\n")  # empty lines before a request are no head
BARE_LINE_FEED = re.compile(rb"(?<!\r)\n")
CONTENT_LENGTH = re.compile(rb"^content-length\s*:", re.IGNORECASE | re.MULTILINE)
TRANSFER_ENCODING = re.compile(rb"^transfer-encoding\s*:", re.IGNORECASE | re.MULTILINE)


def check_address(host: str, port: int) -> None:
    """ServingError if the server could not listen there."""

    async def bind() -> None:
        loop = asyncio.get_running_loop()
        (await loop.create_server(asyncio.Protocol, host, port, start_serving=False)).close()

    try:
        asyncio.run(bind())
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is in use"
        else:
            message = f"the server cannot listen at {host}, port {port}: {error.strerror}"
        raise ServingError(f"{message}: choose another with --port (or --host)") from None


def server(app: ASGIApp, host: str, port: int) -> uvicorn.Server:
    """A server of an application."""
    return uvicorn.Server(
        uvicorn.Config(
            app,
            host=host,
            port=port,
            http=Connection,
            ws="none",
            lifespan="on",
            log_config=None,
            server_header=False,
            timeout_graceful_shutdown=GRACE,
        )
    )


class Connection(H11Protocol):
    """A connection that is closed when its client keeps it waiting."""

    waiting: TimerHandle | None = None
    sending: TimerHandle | None = None
    flushing: TimerHandle | None = None

    def __init__(self, *arguments: Any, **more: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments, **more)
        self.access_log = False  # uvicorn's has parameters, whatever the settings of logging
        self.app_state = {**self.app_state, "abort": self.abort}  # becomes the state of each scope

    def connection_made(self, transport: Transport) -> None:
        """A client is there, and has so long for the head of its request."""
        super().connection_made(transport)
        if len(self.connections) > CONNECTIONS_AT_MOST:
            transport.abort()
        else:
            self.wait_or_not()

    def handle_events(self) -> None:
        """Handle what came; refuses a head that another server may take for one of another length."""
        if self.conn.their_state is h11.IDLE and is_ambiguous(self.conn.trailing_data[0]):
            self.send_400_response("ambiguous")
        else:
            super().handle_events()

    def data_received(self, data: bytes) -> None:
        """Some of a request came."""
        super().data_received(data)
        self.wait_or_not()

    def on_response_complete(self) -> None:
        """A request was answered, perhaps before the whole of it came."""
        self.flushing = cancelled(self.flushing)
        self.flushing = self.loop.call_later(SILENT_AT_MOST, self.abort_unsent)
        super().on_response_complete()
        self.wait_or_not()

    def wait_or_not(self) -> None:
        """Give the client so long for what it has begun; while a request is answered, nobody waits for it.

        A request that comes byte by byte does not get longer for each: the time runs from the first.
        """
        answering = self.cycle is not None and not self.cycle.response_complete
        if answering or self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self.waiting = cancelled(self.waiting)
        elif self.waiting is None:
            self.waiting = self.loop.call_later(SILENT_AT_MOST, self.transport.close)

    def abort(self) -> None:
        """Close the connection, and drop what was not sent yet."""
        self.transport.abort()

    def abort_unsent(self) -> None:
        """Close the connection if the client has not taken the end of its answer yet."""
        answering = self.cycle is not None and not self.cycle.response_complete
        if self.transport.get_write_buffer_size() and not answering:
            self.abort()

    def pause_writing(self) -> None:
        """The client does not take what it is sent as fast as it is sent."""
        super().pause_writing()
        self.sending = self.loop.call_later(SILENT_AT_MOST, self.transport.abort)

    def resume_writing(self) -> None:
        """The client has taken it."""
        super().resume_writing()
        self.sending = cancelled(self.sending)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone."""
        super().connection_lost(exc)
        self.waiting, self.sending = cancelled(self.waiting), cancelled(self.sending)
        self.flushing = cancelled(self.flushing)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, in place of uvicorn's own text; not in the middle of another answer."""
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            body = ApiError(400, "invalid_request", "this is no HTTP request that can be read").body()
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


def is_ambiguous(content: bytes) -> bool:
    """Whether the head that bytes begin with has lines that end with LF alone, or two kinds of length.

    h11 accepts both; a proxy may read them in another way. RFC 9112, sections 2.2 and 6.3.
    """
    end = HEAD_END.search(content)
    head = content[: end.end()] if end else content
    if BARE_LINE_FEED.search(head):
        return True
    return bool(CONTENT_LENGTH.search(head) and TRANSFER_ENCODING.search(head))


def cancelled(timer: TimerHandle | None) -> None:
    """No timer any more."""
    if timer is not None:
        timer.cancel()
