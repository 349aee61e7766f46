"""Who may pass: the token of a request, and how often it may be used."""

import math
import time
from collections.abc import Callable, Iterable

from api.errors import ApiError, ServingError
from api.settings import RateLimit
from api.tokens import Caller, Tokens

ANYBODY = ""  # in place of a token's hash: requests without a valid token count together
BUCKETS = 1000  # that are kept when all of them have filled up again


class Buckets:
    """Buckets by key: each holds as much as the limit allows, and fills up again at its rate."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float]) -> None:
        self.limit, self.clock = limit, clock
        self.rate = limit.amount / limit.seconds
        self.buckets: dict[str, tuple[float, float]] = {}  # what was left, and when

    def take(self, key: str, amount: float) -> int:
        """Take so much, or all that a bucket can hold if that is less: 0, or the seconds to wait for it."""
        amount = min(amount, float(self.limit.amount))
        left = self.left(key)
        if left < amount:
            return math.ceil((amount - left) / self.rate)
        self.buckets[key] = (left - amount, self.clock())
        if len(self.buckets) > BUCKETS:
            full = [key for key in self.buckets if self.left(key) >= self.limit.amount]
            for key in full:
                del self.buckets[key]
        return 0

    def put_back(self, key: str, amount: float) -> None:
        """Put back what was taken and not used."""
        self.buckets[key] = (self.left(key) + amount, self.clock())

    def left(self, key: str) -> float:
        """What is in a bucket now."""
        left, since = self.buckets.get(key, (float(self.limit.amount), self.clock()))
        return min(float(self.limit.amount), left + (self.clock() - since) * self.rate)


class Gate:
    """Lets requests pass that carry a token, each token as often as the limits say."""

    def __init__(
        self,
        tokens: Tokens,
        requests: RateLimit,
        rows: RateLimit,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.tokens = tokens
        self.requests, self.rows = Buckets(requests, clock), Buckets(rows, clock)

    def admit(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller:
        """Who asks. ApiError 401, 429; ServingError if the tokens cannot be read."""
        token = sent_token(headers)
        caller = self.tokens.find(token) if token else None
        self.take(self.requests, caller.sha256 if caller else ANYBODY, 1, "requests")
        if caller is None:
            raise ApiError(401, "unauthorized", headers={"WWW-Authenticate": 'Bearer realm="focus"'})
        return caller

    def known(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller | None:
        """Who asks for what needs no token, if a valid one is sent nevertheless."""
        token = sent_token(headers)
        try:
            return self.tokens.find(token) if token else None
        except ServingError:
            return None

    def take_rows(self, caller: Caller, rows: int) -> int:
        """Count the rows of a page before it is read; returns how many, at most the limit. ApiError 429."""
        self.take(self.rows, caller.sha256, rows, "records")
        return min(rows, self.rows.limit.amount)

    def put_back_rows(self, caller: Caller, rows: int) -> None:
        """Count rows no longer that a page did not have."""
        self.rows.put_back(caller.sha256, rows)

    def take(self, buckets: Buckets, key: str, amount: int, what: str) -> None:
        """Count so many requests or records. ApiError 429."""
        wait, limit = buckets.take(key, amount), buckets.limit
        if wait:
            raise ApiError(
                429,
                "rate_limited",
                f"a token may use {limit.amount} {what} in {limit.seconds} seconds: try again in {wait} s",
                headers={"Retry-After": str(wait)},
            )


def sent_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The token of a request: of Authorization: Bearer, or else of X-API-Key; empty if there is none."""
    sent = dict(reversed([(name.lower(), value.decode("latin-1")) for name, value in headers]))
    scheme, _, token = sent.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return sent.get(b"x-api-key", "").strip()
