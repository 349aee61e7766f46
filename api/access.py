"""Access: the token of a request, and how often a token may be used."""

import math
import time
from collections.abc import Callable, Iterable

from api.errors import ApiError, ServingError
from api.settings import RateLimit
from api.tokens import Caller, Tokens

ANONYMOUS = ""  # replaces a token's hash: all requests without a valid token share one bucket
BUCKETS = 1000  # when there are more, full buckets are removed


class Buckets:
    """Token buckets by key. A bucket holds at most the limit, and refills at the limit's rate."""

    def __init__(self, limit: RateLimit, clock: Callable[[], float]) -> None:
        self.limit, self.clock = limit, clock
        self.rate = limit.amount / limit.seconds
        self.buckets: dict[str, tuple[float, float]] = {}  # the amount left, and when it was counted

    def take(self, key: str, amount: float) -> int:
        """Take an amount, but at most what a bucket can hold. Return 0, or the seconds to wait for it."""
        amount = min(amount, float(self.limit.amount))
        left = self.count_left(key)
        if left < amount:
            return math.ceil((amount - left) / self.rate)
        self.buckets[key] = (left - amount, self.clock())
        if len(self.buckets) > BUCKETS:
            full = [key for key in self.buckets if self.count_left(key) >= self.limit.amount]
            for key in full:
                del self.buckets[key]
        return 0

    def put_back(self, key: str, amount: float) -> None:
        """Put back an amount that was taken and not used."""
        self.buckets[key] = (self.count_left(key) + amount, self.clock())

    def count_left(self, key: str) -> float:
        """Return the amount that a bucket holds now."""
        left, since = self.buckets.get(key, (float(self.limit.amount), self.clock()))
        return min(float(self.limit.amount), left + (self.clock() - since) * self.rate)


class Gate:
    """Admits requests with a valid token, within the rate limits of the token."""

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
        """Return the caller of a request. Raises ApiError 401 or 429, or ServingError."""
        token = read_token(headers)
        caller = self.tokens.find(token) if token else None
        self.take(self.requests, caller.sha256 if caller else ANONYMOUS, 1, "requests")
        if caller is None:
            raise ApiError(401, "unauthorized", headers={"WWW-Authenticate": 'Bearer realm="focus"'})
        return caller

    def find_caller(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller | None:
        """Return the caller of a request that needs no token, if the request has a valid one."""
        token = read_token(headers)
        try:
            return self.tokens.find(token) if token else None
        except ServingError:
            return None

    def take_rows(self, caller: Caller, rows: int) -> int:
        """Count the rows of a page before it is read. Return the number counted. Raises ApiError 429."""
        self.take(self.rows, caller.sha256, rows, "records")
        return min(rows, self.rows.limit.amount)

    def put_back_rows(self, caller: Caller, rows: int) -> None:
        """Uncount rows that the page turned out not to have."""
        self.rows.put_back(caller.sha256, rows)

    def take(self, buckets: Buckets, key: str, amount: int, unit: str) -> None:
        """Count requests or records. Raises ApiError 429."""
        wait, limit = buckets.take(key, amount), buckets.limit
        if wait:
            raise ApiError(
                429,
                "rate_limited",
                f"a token may use {limit.amount} {unit} in {limit.seconds} seconds: try again in {wait} s",
                headers={"Retry-After": str(wait)},
            )


def read_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """Return the token in Authorization: Bearer, or else in X-API-Key. Empty if neither is present."""
    values = dict(reversed([(name.lower(), value.decode("latin-1")) for name, value in headers]))
    scheme, _, token = values.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return values.get(b"x-api-key", "").strip()
