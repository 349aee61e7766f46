"""The edge of the server: what every request passes on its way in, and every answer on its way out."""

import asyncio
import logging
import time
from functools import partial

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.access import Gate
from api.errors import ApiError, ServingError
from api.tokens import Caller
from api.turns import Turns

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
CHUNK = 65_536  # bytes of an answer that are handed over at once: a client that stops reading stops it
LEAST_RATE = 65_536  # bytes per second that a client has to take ...
GRACE = 20.0  # ... after so many seconds of waiting for it
ANSWERED_WITHIN = 300.0  # seconds of waiting for the client in all


class Edge:
    """Lets in who has a token, and whoever asks what is open; says how each request ended.

    open_paths: what needs no token, since it holds no data.
    """

    def __init__(self, app: ASGIApp, gate: Gate, open_paths: frozenset[str]) -> None:
        self.app, self.gate, self.open_paths = app, gate, open_paths
        self.turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return await self.app(scope, receive, partial(without_traceback, send))
        started = time.perf_counter()
        answer = scope["answer"] = Answer(send)
        scope["caller"], work = None, None
        try:
            if scope["path"] in self.open_paths:
                scope["caller"] = self.gate.known(scope["headers"])
            else:
                scope["caller"] = caller = self.admitted(scope)
                work = scope["work"] = self.turns.admit(caller.sha256, receive)
            await self.app(scope, receive, answer)
        except ApiError as error:
            await error.response()(scope, receive, answer)
        except ClientDisconnect:
            pass
        except SlowClientError:
            scope["state"]["abort"]()
            await asyncio.sleep(0)  # uvicorn learns of it, and expects no end of the answer
        except Exception:
            log.exception("a request failed")
            if not answer.status:
                await ApiError(500, "internal_error").response()(scope, receive, answer)
        finally:
            if work is not None:
                work.end()
            caller = scope["caller"]
            line = {
                "method": scope["method"],
                # the address as it was routed: what a client wrote in its place may be a secret
                "path": getattr(scope.get("route"), "path", None),
                "status": answer.status,
                "ms": round((time.perf_counter() - started) * 1000, 1),
                "token": caller and caller.name,
            }
            access_log.info(msgspec.json.encode(line).decode())
        return None

    def admitted(self, scope: Scope) -> Caller:
        """Who asks. ApiError."""
        try:
            return self.gate.admit(scope["headers"])
        except ServingError as error:
            log.error(str(error))
            raise ApiError(503, "no_tokens", "the server cannot read its tokens; its log says why") from None


async def without_traceback(send: Send, message: Message) -> None:
    """Pass on that the server could not be started, by the line that says why."""
    if message["type"] == "lifespan.startup.failed":
        message["message"] = f"error: {message['message'].splitlines()[-1].partition(': ')[2]}"
    await send(message)


class SlowClientError(Exception):
    """A client takes its answer too slowly."""


class Answer:
    """Sends an answer with the headers that all have, in pieces, to a client that takes them fast enough.

    within: seconds that may be spent on waiting for the client.
    """

    def __init__(self, send: Send) -> None:
        self.send, self.status = send, 0
        self.within = ANSWERED_WITHIN
        self.sent = 0  # bytes of the body
        self.waited = 0.0

    async def __call__(self, message: Message) -> None:
        """One message of an answer."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            given = {name.lower() for name, _ in message["headers"]}
            message["headers"] = [
                *message["headers"],
                *(
                    (name.lower().encode(), value.encode())
                    for name, value in SECURITY_HEADERS.items()
                    if name.lower().encode() not in given
                ),
            ]
        body = message.get("body", b"")
        last = max(len(body) - 1, 0) // CHUNK * CHUNK  # where the last piece begins
        for start in range(0, last, CHUNK):
            piece = body[start : start + CHUNK]
            await self.hand_over({"type": "http.response.body", "body": piece, "more_body": True})
        await self.hand_over(message | ({"body": body[last:]} if last else {}))

    async def hand_over(self, message: Message) -> None:
        """Send a piece. SlowClientError."""
        began = time.monotonic()
        allowed = min(GRACE + self.sent / LEAST_RATE, self.within) - self.waited
        try:
            async with asyncio.timeout(allowed):
                await self.send(message)
        except TimeoutError:
            raise SlowClientError from None
        self.waited += time.monotonic() - began
        self.sent += len(message.get("body", b""))
