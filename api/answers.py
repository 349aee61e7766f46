"""Responses that are sent in pieces."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from api.errors import ApiError

log = logging.getLogger("api")


class JsonInPieces(Response):
    """JSON in pieces. Each later piece is made once the piece before it has been sent.

    A response with later pieces has no Content-Length: it is chunked.
    """

    media_type = "application/json"

    def __init__(self, first: bytes, later: Sequence[Callable[[], Awaitable[bytes]]] = ()) -> None:
        super().__init__(first)
        self.later = later
        if later:
            del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the response. It ends early if the client closes the connection."""
        work = scope["work"]
        work.count_unsent(len(self.body))
        if not self.later:
            return await super().__call__(scope, receive, send)
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        await send({"type": "http.response.body", "body": self.body, "more_body": True})
        self.body = b""
        for make_piece in self.later:
            try:
                piece = await make_piece()
            except ClientDisconnect:
                return None
            except ApiError as error:  # too late for its status: the client sees that the response has no end
                log.error("a response ended early: %s", error)
                scope["state"]["abort"]()
                await asyncio.sleep(0)  # uvicorn notices the disconnect, and expects no end of the response
                return None
            work.count_unsent(len(piece))
            is_last = make_piece is self.later[-1]
            await send({"type": "http.response.body", "body": piece, "more_body": not is_last})
            del piece  # it counts as sent while the next one waits for its turn, which can be minutes
        return None
