"""Turns: requests read a publication in turns, and turns go round by token.

A token has few requests at once. Bytes that were made for a client and not yet sent count against the token,
so that slow clients do not fill the memory.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import TypeVar, TypeVarTuple

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from api.errors import LARGEST_BODY, ApiError

AT_ONCE = 4  # turns
AT_ONCE_OF_TOKEN = 2
REQUESTS = 256  # in progress: waiting, running or being sent
REQUESTS_OF_TOKEN = 32
DOWNLOADS_OF_TOKEN = 4  # a download can run for an hour, and counts as a request for that time
UNSENT = 64 << 20  # bytes
UNSENT_OF_TOKEN = 16 << 20
RETRY_AFTER = {"Retry-After": "1"}

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Turns:
    """The turns of a server. For use in one event loop."""

    def __init__(self) -> None:
        self.threads = CapacityLimiter(AT_ONCE)
        self.waiting: dict[str, deque[asyncio.Future[None]]] = {}  # by token, in the order of arrival
        self.requests: Counter[str] = Counter()
        self.downloads: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.unsent: Counter[str] = Counter()

    def admit(self, token: str, receive: Receive) -> "Work":
        """Return the work of a new request. Raises ApiError 429 or 503 if too many are in progress."""
        if self.requests[token] >= REQUESTS_OF_TOKEN:
            message = f"a token may have {REQUESTS_OF_TOKEN} requests in progress: wait until one has ended"
            raise ApiError(429, "rate_limited", message, headers=RETRY_AFTER)
        if self.requests.total() >= REQUESTS:
            raise ApiError(503, "busy", "the server has too many requests: try again", headers=RETRY_AFTER)
        self.requests[token] += 1
        return Work(self, token, receive)

    def assign(self) -> None:
        """Assign free turns to waiting requests, one token after the other."""
        assigned = True
        while assigned:
            assigned = False
            for token in list(self.waiting):
                if self.running.total() >= AT_ONCE:
                    return
                if self.may_run(token):
                    queue = self.waiting.pop(token)
                    queue.popleft().set_result(None)
                    if queue:
                        self.waiting[token] = queue  # at the end, behind the other tokens
                    self.running[token] += 1
                    assigned = True

    def may_run(self, token: str) -> bool:
        """Return whether a token may have one more turn.

        A token without unsent bytes never waits for the clients of other tokens.
        """
        unsent = self.unsent[token]
        return (
            self.running[token] < AT_ONCE_OF_TOKEN
            and unsent < UNSENT_OF_TOKEN
            and (unsent == 0 or self.unsent.total() < UNSENT)
        )

    def leave(self, token: str, place: asyncio.Future[None]) -> None:
        """Give up a place in the queue, or the turn that was assigned to it."""
        if place.done():
            lower(self.running, token)
            self.assign()
            return
        queue = self.waiting[token]
        queue.remove(place)
        if not queue:
            del self.waiting[token]


class Work:
    """What one request uses: a place among its token's requests, turns and unsent bytes."""

    def __init__(self, turns: Turns, token: str, receive: Receive) -> None:
        self.turns, self.token, self.receive = turns, token, receive
        self.unsent = 0
        self.is_download = False
        self.disconnected: asyncio.Task[None] | None = None

    async def run(self, function: Callable[[*Ts], T], *arguments: *Ts) -> T:
        """Call a function in a thread when it is this request's turn, and return its result.

        The result of the previous turn counts as sent. Raises ClientDisconnect, without a call, if the
        client closes the connection before its turn.
        """
        self.count_unsent(0)
        if self.disconnected is None:
            self.disconnected = asyncio.create_task(wait_for_disconnect(self.receive))
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.turns.waiting.setdefault(self.token, deque()).append(place)
        self.turns.assign()
        try:
            await asyncio.wait([place, self.disconnected], return_when=asyncio.FIRST_COMPLETED)
            if self.disconnected.done():
                raise ClientDisconnect
            return await to_thread.run_sync(function, *arguments, limiter=self.turns.threads)
        finally:
            self.turns.leave(self.token, place)

    def count_unsent(self, size: int) -> None:
        """Replace the number of bytes that were made and not yet sent."""
        lower(self.turns.unsent, self.token, self.unsent - size)
        self.unsent = size
        self.turns.assign()

    def begin_download(self) -> None:
        """Count this request as a running download. Raises ApiError 429 if the token has too many."""
        if self.turns.downloads[self.token] >= DOWNLOADS_OF_TOKEN:
            message = f"a token may have {DOWNLOADS_OF_TOKEN} running downloads: wait until one has ended"
            raise ApiError(429, "rate_limited", message, headers=RETRY_AFTER)
        self.turns.downloads[self.token] += 1
        self.is_download = True

    def end(self) -> None:
        """Give back all that the request uses."""
        if self.disconnected is not None:
            self.disconnected.cancel()
        self.count_unsent(0)
        lower(self.turns.requests, self.token)
        if self.is_download:
            lower(self.turns.downloads, self.token)


async def wait_for_disconnect(receive: Receive) -> None:
    """Wait until the client closes the connection, or sends more of a body than any request may have."""
    ignored = 0
    while ignored <= LARGEST_BODY and (message := await receive())["type"] != "http.disconnect":
        ignored += len(message.get("body", b""))


def lower(counter: Counter[str], key: str, by: int = 1) -> None:
    """Lower a count, and remove it at 0."""
    counter[key] -= by
    if not counter[key]:
        del counter[key]
