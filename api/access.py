"""Who may pass: the token of a request, and how often it may be used."""

import math
import time
from collections.abc import Callable, Iterable

from api.errors import ApiError, ServingError
from api.settings import RateLimit
from api.tokens import Caller, Tokens


class Gate:
    """Lets requests pass that carry a token, each token as often as the limit says."""

    def __init__(self, tokens: Tokens, limit: RateLimit, clock: Callable[[], float] = time.monotonic) -> None:
        self.tokens = tokens
        self.limit = limit
        self.clock = clock
        self.buckets: dict[str, tuple[float, float]] = {}  # by token's hash: requests left, and when

    def admit(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller:
        """Who asks. ApiError 401, 429; ServingError if the tokens cannot be read."""
        token = sent_token(headers)
        caller = self.tokens.find(token) if token else None
        if caller is None:
            raise ApiError(401, "unauthorized", headers={"WWW-Authenticate": 'Bearer realm="focus"'})
        self.take(caller)
        return caller

    def known(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller | None:
        """Who asks for what needs no token, if a valid one is sent nevertheless."""
        token = sent_token(headers)
        try:
            return self.tokens.find(token) if token else None
        except ServingError:
            return None

    def take(self, caller: Caller) -> None:
        """Count one request: a bucket of as many as the limit fills up again at its rate."""
        rate = self.limit.requests / self.limit.seconds
        now = self.clock()
        left, since = self.buckets.get(caller.sha256, (float(self.limit.requests), now))
        left = min(float(self.limit.requests), left + (now - since) * rate)
        if left < 1:
            wait = math.ceil((1 - left) / rate)
            raise ApiError(
                429,
                "rate_limited",
                f"a token may make {self.limit.requests} requests in {self.limit.seconds} seconds: "
                f"try again in {wait} s",
                headers={"Retry-After": str(wait)},
            )
        self.buckets[caller.sha256] = (left - 1, now)


def sent_token(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The token of a request: of Authorization: Bearer, or else of X-API-Key; empty if there is none."""
    sent = dict(reversed([(name.lower(), value.decode("latin-1")) for name, value in headers]))
    scheme, _, token = sent.get(b"authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        return token.strip()
    return sent.get(b"x-api-key", "").strip()
