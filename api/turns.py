"""Turns: requests read a publication one after the other, in turns that go round by token.

A token has few requests at once. What was made for a client and not yet sent counts against its token, so
that clients which read slowly do not fill the memory.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from starlette.requests import ClientDisconnect
from starlette.types import Receive

from api.errors import ApiError

AT_ONCE = 4  # turns
AT_ONCE_OF_TOKEN = 2
REQUESTS = 256  # in progress: waiting, running or being sent
REQUESTS_OF_TOKEN = 32
DOWNLOADS_OF_TOKEN = 4  # a download may run for an hour, and counts as a request for as long
UNSENT = 64 << 20  # bytes
UNSENT_OF_TOKEN = 16 << 20
RETRY_AFTER = {"Retry-After": "1"}

T = TypeVar("T")


class Turns:
    """The turns of a server. For use in one event loop."""

    def __init__(self) -> None:
        self.threads = CapacityLimiter(AT_ONCE)
        self.waiting: dict[str, deque[asyncio.Future[None]]] = {}  # by token, the next one first
        self.requests: Counter[str] = Counter()
        self.downloads: Counter[str] = Counter()
        self.running: Counter[str] = Counter()
        self.unsent: Counter[str] = Counter()

    def admit(self, token: str, receive: Receive) -> "Work":
        """The work of a request of a token. ApiError 429 or 503 if too many requests are in progress."""
        if self.requests[token] >= REQUESTS_OF_TOKEN:
            message = f"a token may have {REQUESTS_OF_TOKEN} requests in progress: wait for an answer first"
            raise ApiError(429, "rate_limited", message, headers=RETRY_AFTER)
        if self.requests.total() >= REQUESTS:
            raise ApiError(503, "busy", "the server has too many requests: try again", headers=RETRY_AFTER)
        self.requests[token] += 1
        return Work(self, token, receive)

    def give(self) -> None:
        """Give the free turns to requests that wait, one token after the other."""
        given = True
        while given:
            given = False
            for token in list(self.waiting):
                if self.running.total() >= AT_ONCE:
                    return
                if self.may_run(token):
                    queue = self.waiting.pop(token)
                    queue.popleft().set_result(None)
                    if queue:
                        self.waiting[token] = queue  # behind the other tokens
                    self.running[token] += 1
                    given = True

    def may_run(self, token: str) -> bool:
        """Whether a token may have one more turn. One whose answers are all sent never waits for others."""
        unsent = self.unsent[token]
        return (
            self.running[token] < AT_ONCE_OF_TOKEN
            and unsent < UNSENT_OF_TOKEN
            and (unsent == 0 or self.unsent.total() < UNSENT)
        )

    def leave(self, token: str, place: "asyncio.Future[None]") -> None:
        """Give up a place in the queue, or the turn that it has become."""
        if place.done():
            lower(self.running, token)
            self.give()
            return
        queue = self.waiting[token]
        queue.remove(place)
        if not queue:
            del self.waiting[token]


class Work:
    """What one request takes of a server: a place among its token's requests, turns, unsent bytes."""

    def __init__(self, turns: Turns, token: str, receive: Receive) -> None:
        self.turns, self.token, self.receive = turns, token, receive
        self.unsent = 0
        self.is_download = False
        self.gone: asyncio.Task[None] | None = None

    async def run(self, function: Callable[..., T], *arguments: object) -> T:
        """What a function returns, called in a thread when it is this request's turn.

        What the turn before returned has been sent. Raises ClientDisconnect, without a call, if the client
        closes the connection before.
        """
        self.count_unsent(0)
        if self.gone is None:
            self.gone = asyncio.create_task(until_gone(self.receive))
        place = asyncio.get_running_loop().create_future()
        self.turns.waiting.setdefault(self.token, deque()).append(place)
        self.turns.give()
        try:
            await asyncio.wait([place, self.gone], return_when=asyncio.FIRST_COMPLETED)
            if self.gone.done():
                raise ClientDisconnect
            result = await to_thread.run_sync(function, *arguments, limiter=self.turns.threads)
        finally:
            self.turns.leave(self.token, place)
        return result

    def count_unsent(self, size: int) -> None:
        """Count so many bytes as made and not yet sent."""
        lower(self.turns.unsent, self.token, self.unsent - size)
        self.unsent = size
        self.turns.give()

    def begin_download(self) -> None:
        """Count this request as a running download. ApiError 429 if its token has too many of them."""
        if self.turns.downloads[self.token] >= DOWNLOADS_OF_TOKEN:
            message = f"a token may have {DOWNLOADS_OF_TOKEN} running downloads: wait until one has ended"
            raise ApiError(429, "rate_limited", message, headers=RETRY_AFTER)
        self.turns.downloads[self.token] += 1
        self.is_download = True

    def end(self) -> None:
        """The request has ended."""
        if self.gone is not None:
            self.gone.cancel()
        self.count_unsent(0)
        lower(self.turns.requests, self.token)
        if self.is_download:
            lower(self.turns.downloads, self.token)


async def until_gone(receive: Receive) -> None:
    """Wait until the client closes the connection; ignores what is left of a body."""
    while (await receive())["type"] != "http.disconnect":
        pass


def lower(counter: Counter[str], key: str, by: int = 1) -> None:
    """Count down, and forget what is at 0."""
    counter[key] -= by
    if not counter[key]:
        del counter[key]
