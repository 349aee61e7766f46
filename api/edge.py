"""The edge of the server: access control, security headers, bounds on slow clients, the access log."""

import asyncio
import logging
import time
from functools import partial

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Gate
from api.errors import LARGEST_BODY, ApiError, ServingError, body_too_large
from api.tokens import Caller
from api.turns import Turns, Work

access_log = logging.getLogger("api.access")
log = logging.getLogger("api")

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
CHUNK = 65_536  # bytes of a response that are sent at once, so that a client that stops reading blocks it
LEAST_RATE = 65_536  # bytes per second that a client must read ...
GRACE = 20.0  # ... after this many seconds of waiting for it
ANSWERED_WITHIN = 300.0  # seconds of waiting for the client in all


class Edge:
    """The outermost ASGI application: admits requests, sends responses and logs both.

    open_paths: paths that need no token, since they contain no data.
    """

    def __init__(self, app: ASGIApp, gate: Gate, open_paths: frozenset[str]) -> None:
        self.app, self.gate, self.open_paths = app, gate, open_paths
        self.turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, or pass on a lifespan event."""
        if scope["type"] != "http":
            return await self.app(scope, receive, partial(send_without_traceback, send))
        started = time.perf_counter()
        answer = scope["answer"] = Answer(send)
        scope["caller"] = scope["work"] = None
        try:
            await self.answer(scope, receive, answer)
        except ApiError as error:
            await error.build_response()(scope, receive, answer)
        except ClientDisconnect:
            pass
        except SlowClientError:
            scope["state"]["abort"]()
            await asyncio.sleep(0)  # uvicorn notices the disconnect, and expects no end of the response
        except Exception:
            log.exception("a request failed")
            if not answer.status:
                await ApiError(500, "internal_error").build_response()(scope, receive, answer)
        finally:
            work: Work | None = scope["work"]
            if work is not None:
                work.end()
            log_request(scope, answer.status, time.perf_counter() - started)
        return None

    async def answer(self, scope: Scope, receive: Receive, answer: "Answer") -> None:
        """Answer a request if it is admitted. Raises ApiError."""
        if int(dict(scope["headers"]).get(b"content-length", b"0")) > LARGEST_BODY:
            raise body_too_large()
        if scope["path"] in self.open_paths:
            scope["caller"] = self.gate.find_caller(scope["headers"])
        else:
            caller = scope["caller"] = self.admit(scope)
            scope["work"] = self.turns.admit(caller.sha256, receive)
        await self.app(scope, receive, answer)

    def admit(self, scope: Scope) -> Caller:
        """Return the caller of a request that needs a token. Raises ApiError."""
        try:
            return self.gate.admit(scope["headers"])
        except ServingError as error:
            log.error(str(error))
            message = "the server cannot read its tokens; the server's log has the cause"
            raise ApiError(503, "no_tokens", message) from None


def log_request(scope: Scope, status: int, seconds: float) -> None:
    """Write the line of a request to the access log."""
    caller: Caller | None = scope["caller"]
    line = {
        "method": scope["method"],
        # the path of the route: the path that the client sent may contain a secret
        "path": getattr(scope.get("route"), "path", None),
        "status": status,
        "ms": round(seconds * 1000, 1),
        "token": caller and caller.name,
    }
    access_log.info(msgspec.json.encode(line).decode())


async def send_without_traceback(send: Send, message: Message) -> None:
    """Pass on a lifespan message. If the server failed to start, keep only the line with the cause."""
    if message["type"] == "lifespan.startup.failed":
        message["message"] = f"error: {message['message'].splitlines()[-1].partition(': ')[2]}"
    await send(message)


class SlowClientError(Exception):
    """A client reads its response too slowly."""


class Answer:
    """Sends a response in chunks with the security headers. Raises SlowClientError.

    within: seconds that may be spent waiting for the client.
    """

    def __init__(self, send: Send) -> None:
        self.send, self.status = send, 0
        self.within = ANSWERED_WITHIN
        self.sent = 0  # bytes of the body
        self.waited = 0.0

    async def __call__(self, message: Message) -> None:
        """Send one ASGI message of the response."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            present = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(
                    (name.lower().encode(), value.encode())
                    for name, value in SECURITY_HEADERS.items()
                    if name.lower().encode() not in present
                ),
            ]
        body = message.get("body", b"")
        last = max(len(body) - 1, 0) // CHUNK * CHUNK  # where the last chunk begins
        for start in range(0, last, CHUNK):
            chunk = body[start : start + CHUNK]
            await self.send_chunk({"type": "http.response.body", "body": chunk, "more_body": True})
        await self.send_chunk({**message, **({"body": body[last:]} if last else {})})

    async def send_chunk(self, message: Message) -> None:
        """Send a message within the time that is left. Raises SlowClientError."""
        began = time.monotonic()
        left = min(GRACE + self.sent / LEAST_RATE, self.within) - self.waited
        try:
            async with asyncio.timeout(left):
                await self.send(message)
        except TimeoutError:
            raise SlowClientError from None
        self.waited += time.monotonic() - began
        self.sent += len(message.get("body", b""))
