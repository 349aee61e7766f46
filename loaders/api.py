"""One client for the fal API: the key, timeouts, retries, and errors in one line."""

import json
import random
import re
import threading
import zlib
from collections.abc import Callable, Mapping, Sequence
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_exponential_jitter,
)
from tenacity.nap import sleep_using_event

from loaders import clock
from loaders.errors import (
    GaveUpError,
    MisdirectedError,
    NotFoundError,
    PostponedError,
    RejectedError,
    SettingsError,
    UnauthorizedError,
    UnreachableError,
)
from loaders.settings import Connection

ATTEMPTS = 6
CONNECT_TIMEOUT = 10.0
LONGEST_WAIT_ASKED = 600.0  # seconds; a server that asks for more is not waited for

T = TypeVar("T")
Params = Mapping[str, str | int | Sequence[str]]


class MalformedBodyError(Exception):
    """A body is not what it should be; asking again may bring a whole one."""


class PassingError(Exception):
    """A failure that may pass: what happened, and how long the server asks to wait."""

    def __init__(self, what: str, retry_after: float | None = None, *, unreachable: bool = False) -> None:
        super().__init__(what)
        self.retry_after = retry_after
        self.unreachable = unreachable


class FalApi:
    """The fal API behind one pool of connections; many threads may use it at once.

    `stopping`, once set, ends all waiting, and no further request is made.
    """

    def __init__(self, connection: Connection, concurrency: int) -> None:
        self.stopping = threading.Event()
        self._connection = connection
        self._secrets = secrets_of(connection.key)
        try:
            self._client = httpx.Client(
                headers={
                    "Authorization": f"Key {connection.key}",
                    "User-Agent": "fal-focus-loaders",
                    "Accept-Encoding": "gzip",
                },
                timeout=httpx.Timeout(connection.timeout, connect=min(connection.timeout, CONNECT_TIMEOUT)),
                limits=httpx.Limits(max_connections=concurrency, max_keepalive_connections=concurrency),
                follow_redirects=False,  # the key must not travel to another host
            )
        except (httpx.InvalidURL, ValueError, ImportError, OSError):  # what they say may quote a password
            raise SettingsError(
                "the proxy or certificate settings cannot be used: check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, "
                "NO_PROXY (http and https proxies only), SSL_CERT_FILE and SSL_CERT_DIR"
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.close()

    def get(self, path: str, params: Params, accept: Callable[[bytes], T]) -> T:
        """GET a path until `accept` takes the body, and hand back what it makes of it.

        accept raises MalformedBodyError for a body to ask for again. Raises UnauthorizedError (401, 403),
        NotFoundError (404), MisdirectedError (3xx), RejectedError (other 4xx), UnreachableError,
        PostponedError, GaveUpError.
        """
        attempts = Retrying(
            retry=retry_if_exception_type(PassingError),
            wait=self._wait,
            stop=stop_any(stop_after_attempt(ATTEMPTS), stop_when_event_set(self.stopping)),
            sleep=sleep_using_event(self.stopping),
            reraise=True,
        )
        request = described(path, params)
        try:
            return attempts(self._get_once, path, params, accept, request)
        except PassingError as error:
            tries = attempts.statistics.get("attempt_number", 1)
            if error.unreachable:
                message = f"{request}: {error} ({tries} tries); check the network and FAL_API_URL"
                raise UnreachableError(self._safe(message)) from None
            message = f"{request}: {error} ({tries} tries); nothing of it was landed, run it again later"
            raise GaveUpError(self._safe(message)) from None

    def _get_once(self, path: str, params: Params, accept: Callable[[bytes], T], request: str) -> T:
        if self.stopping.is_set():
            raise PassingError("the run is stopping")
        try:
            with self._client.stream("GET", self._connection.api_url + path, params=dict(params)) as reply:
                raw = b"".join(reply.iter_raw())
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            host = urlsplit(self._connection.api_url).netloc
            raise PassingError(f"cannot connect to {host}: {_reason(error)}", unreachable=True) from None
        except (httpx.TransportError, httpx.StreamError) as error:
            raise PassingError(f"the connection failed: {_reason(error)}") from None
        except (httpx.InvalidURL, UnicodeError):  # of a redirect, which httpx reads unasked, or of a proxy
            what_to_do = "sent to an address that is none; check FAL_API_URL and HTTPS_PROXY"
            raise MisdirectedError(self._safe(f"{request}: {what_to_do}")) from None
        self._check_status(reply, raw, request)
        try:
            body = decoded(reply, raw)
            if looks_like_html(reply, body):
                raise MalformedBodyError("it is an HTML page")
            return accept(body)
        except MalformedBodyError as error:
            raise PassingError(f"answered {reply.status_code}, but the body is no good: {error}") from None

    def _check_status(self, reply: httpx.Response, raw: bytes, request: str) -> None:
        status = reply.status_code
        if status == 200:
            return
        said = f"answered {status}{self._told(reply, raw)}"
        if status == 429 or status >= 500:
            asked = _retry_after(reply)
            if asked is not None and asked > LONGEST_WAIT_ASKED:
                wait = f"asks to wait {asked:,.0f} seconds"
                raise PostponedError(self._safe(f"{request}: {said}, and {wait}; run it again after that"))
            raise PassingError(said, asked)
        if status in (401, 403):
            what_to_do = "check FAL_KEY: it must be an admin key of an account that has this"
            raise UnauthorizedError(self._safe(f"{request}: {said}; {what_to_do}"))
        if status == 404:
            raise NotFoundError(self._safe(f"{request}: {said}; check FAL_API_URL and what is asked for"))
        if 300 <= status < 400:
            host = reply.next_request.url.host if reply.next_request else "elsewhere"
            what_to_do = f"redirected to {host}, and the key does not follow; check FAL_API_URL"
            raise MisdirectedError(self._safe(f"{request}: answered {status}, {what_to_do}"))
        raise RejectedError(self._safe(f"{request}: {said}; check what is asked for"))

    def _told(self, reply: httpx.Response, raw: bytes) -> str:
        """What fal says of an error, as ` (type: message)`, or nothing when it is not in fal's form."""
        try:
            error = json.loads(decoded(reply, raw))["error"]
            told = self._safe(f"{error['type']}: {error['message']}")
        except (MalformedBodyError, ValueError, KeyError, TypeError, RecursionError):
            return ""
        return f" ({told[:300]})"

    def _wait(self, state: RetryCallState) -> float:
        """Seconds until the next try: never less than the server asked for; else 1, 2, 4 ..., capped.

        A bit at random on top of either, so that threads do not all come back at once.
        """
        longest = self._connection.retry_max_wait
        error = state.outcome.exception() if state.outcome else None
        if isinstance(error, PassingError) and error.retry_after is not None:
            return error.retry_after + random.uniform(0, min(1, longest))
        return wait_exponential_jitter(initial=1, max=longest, jitter=1)(state)

    def _safe(self, message: str) -> str:
        """The message on one line, no control characters, and no key, should anyone have quoted it."""
        line = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", self._secrets.sub("[key]", message))
        return line if len(line) <= 600 else line[:600] + "..."


def described(path: str, params: Params) -> str:
    """A request as a person would name it: what it asks for and for when."""
    if "start" in params or "end" in params:
        window = f" ({params.get('start', '24 hours')} to {params.get('end', 'now')})"
    else:
        month = params.get("billing_month") or params.get("charge_month")
        window = f" ({month})" if month else ""
    return f"GET {path}{window}"


def secrets_of(key: str) -> re.Pattern[str]:
    """Matches a key and its longer parts, as they are and as a URL or JSON would write them."""
    parts = [key, *(part for part in key.split(":") if len(part) >= 6)]
    written = {
        form for part in parts for form in (part, quote(part), quote(part, safe=""), json.dumps(part)[1:-1])
    }
    longest_first = sorted(written, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)


def decoded(reply: httpx.Response, raw: bytes) -> bytes:
    """The body with its content encoding undone. MalformedBodyError when a gzip body is broken or ends early.

    httpx sees to it that as many bytes come as were promised, but takes half a gzip stream for a whole one.
    """
    encoding = reply.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding in ("", "identity"):
        return raw
    if encoding not in ("gzip", "x-gzip"):
        raise MalformedBodyError(f"it is encoded as {encoding!r}, and gzip was asked for")
    body = b""
    while raw:  # a gzip stream may have several members
        member = zlib.decompressobj(wbits=31)
        try:
            body += member.decompress(raw)
        except zlib.error:
            raise MalformedBodyError("its gzip encoding is broken") from None
        if not member.eof:
            raise MalformedBodyError("it ends in the middle of its gzip encoding")
        raw = member.unused_data
    return body


def looks_like_html(reply: httpx.Response, body: bytes) -> bool:
    """Whether a proxy in front answered with a page for people."""
    return "html" in reply.headers.get("Content-Type", "").lower() or body[:64].lstrip()[:1] == b"<"


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _retry_after(reply: httpx.Response) -> float | None:
    """Seconds that the Retry-After header asks for, given as seconds or as an HTTP date; None without one."""
    text = reply.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - clock.utc_now()).total_seconds())
