"""One client for the fal API: the key, timeouts, retries, and errors in one line."""

import json
import random
import re
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from email.utils import parsedate_to_datetime
from functools import partial
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
from loaders.body import LARGEST, Body, MalformedBodyError, OversizedBodyError, looks_like_html, read
from loaders.errors import (
    GaveUpError,
    MisdirectedError,
    NotFoundError,
    PostponedError,
    RejectedError,
    SettingsError,
    TooLargeError,
    UnauthorizedError,
    UnreachableError,
)
from loaders.settings import Connection

ATTEMPTS = 6
CONNECT_TIMEOUT = 10.0
LONGEST_TRY = 10  # times the timeout: a server that sends a byte now and then is never silent that long
LONGEST_WAIT_ASKED = 600.0  # seconds; a server that asks for more is not waited for

HEADER_FLOOD = "Receive buffer too long"  # as h11 says it, of headers over 100 KB

T = TypeVar("T")
Params = Mapping[str, str | int | Sequence[str]]


class PassingError(Exception):
    """A failure that may pass: what happened, and how long the server asks to wait."""

    def __init__(self, what: str, retry_after: float | None = None, *, unreachable: bool = False) -> None:
        super().__init__(what)
        self.retry_after = retry_after
        self.unreachable = unreachable


class FalApi:
    """The fal API behind one pool of connections; many threads may use it at once.

    `stopping`, once set, ends all waiting, and no further request is made. max_pages: see `Connection`.
    """

    def __init__(self, connection: Connection, concurrency: int) -> None:
        self.stopping = threading.Event()
        self.max_pages = connection.max_pages
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
                # no bound on all: a try that took too long may still hold one
                limits=httpx.Limits(max_connections=None, max_keepalive_connections=concurrency),
                follow_redirects=False,  # the key must not travel to another host
                # plain http stays on this machine, and a proxy need not see the key
                trust_env=urlsplit(connection.api_url).scheme == "https",
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

    def get(self, path: str, params: Params, accept: Callable[[Body], T]) -> T:
        """GET a path until `accept` takes the body, and hand back what it makes of it.

        accept raises MalformedBodyError for a body to ask for again. Raises UnauthorizedError (401, 403),
        NotFoundError (404), MisdirectedError (3xx), RejectedError (other 4xx), UnreachableError,
        PostponedError, TooLargeError, GaveUpError.
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
            taken: T = attempts(self._get_once, path, params, accept, request)
            return taken
        except PassingError as error:
            tries = attempts.statistics.get("attempt_number", 1)
            if error.unreachable:
                what_to_do = "check the network, FAL_API_URL and HTTPS_PROXY"
                message = f"{request}: {error} ({tries} tries); {what_to_do}"
                raise UnreachableError(self._safe(message)) from None
            message = f"{request}: {error} ({tries} tries); nothing of it was landed, run it again later"
            raise GaveUpError(self._safe(message)) from None

    def _get_once(self, path: str, params: Params, accept: Callable[[Body], T], request: str) -> T:
        if self.stopping.is_set():
            raise PassingError("the run is stopping")
        longest = LONGEST_TRY * self._connection.timeout
        try:
            body = within(longest, partial(self._fetch, path, params, request, time.monotonic() + longest))
            return accept(body)
        except TimeoutError:
            raise PassingError(f"it took longer than {longest:g} seconds") from None
        except MalformedBodyError as error:
            raise PassingError(f"answered 200, but the body is no good: {error}") from None
        except OversizedBodyError:
            is_page = "limit" in params
            what_to_do = "give billing-events a smaller --page-size" if is_page else "ask for less at once"
            bound = f"{LARGEST // 2**20} MB, the most that is read of an answer"
            raise TooLargeError(self._safe(f"{request}: the body is over {bound}; {what_to_do}")) from None

    def _fetch(self, path: str, params: Params, request: str, until: float) -> Body:
        """One try. Besides what `_check_status` and `read` raise: PassingError, MisdirectedError."""
        try:
            with self._client.stream("GET", self._connection.api_url + path, params=dict(params)) as answer:
                self._check_status(answer, request, until)
                body = read(answer, until)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            host = urlsplit(self._connection.api_url).netloc
            if distrust := _distrust(error):
                found = f"the certificate of {host} cannot be trusted: {distrust.verify_message}"
                what_to_do = (
                    "check FAL_API_URL and the clock of this machine; "
                    "if a proxy here signs certificates itself, name its authority's file in SSL_CERT_FILE"
                )
                raise UnreachableError(self._safe(f"{request}: {found}; {what_to_do}")) from None
            raise PassingError(f"cannot connect to {host}: {_reason(error)}", unreachable=True) from None
        except (httpx.TransportError, httpx.StreamError) as error:
            what = "its headers are too long" if HEADER_FLOOD in str(error) else _reason(error)
            raise PassingError(f"the connection failed: {what}") from None
        except (httpx.InvalidURL, UnicodeError):  # of a redirect, which httpx reads unasked, or of a proxy
            what_to_do = "sent to an address that is none; check FAL_API_URL and HTTPS_PROXY"
            raise MisdirectedError(self._safe(f"{request}: {what_to_do}")) from None
        if looks_like_html(answer, body):
            raise MalformedBodyError("it is an HTML page")
        return body

    def _check_status(self, answer: httpx.Response, request: str, until: float) -> None:
        status = answer.status_code
        if status == 200:
            return
        said = f"answered {status}{self._told(answer, until)}"
        if status == 429 or status >= 500:
            asked = _retry_after(answer)
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
            host = answer.next_request.url.host if answer.next_request else "elsewhere"
            what_to_do = f"redirected to {host}, and the key does not follow; check FAL_API_URL"
            raise MisdirectedError(self._safe(f"{request}: answered {status}, {what_to_do}"))
        raise RejectedError(self._safe(f"{request}: {said}; check what is asked for"))

    def _told(self, answer: httpx.Response, until: float) -> str:
        """What fal says of an error, as ` (type: message)`, or nothing when it is not in fal's form."""
        try:
            error = json.loads(read(answer, until).content)["error"]
            told = self._safe(f"{error['type']}: {error['message']}")
        except (MalformedBodyError, OversizedBodyError, TimeoutError, httpx.TransportError):
            return ""
        except (ValueError, KeyError, TypeError, RecursionError):
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


def within(seconds: float, work: Callable[[], T]) -> T:
    """What `work` returns or raises. TimeoutError when it takes longer: it is left to end by itself.

    On a thread of its own, since nothing else bounds how long httpx waits for headers that come one by one.
    """
    outcome: Future[T] = Future()

    def do() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:
            outcome.set_exception(error)

    threading.Thread(target=do, name="try", daemon=True).start()
    return outcome.result(seconds)


def _distrust(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """What is wrong with a certificate, if that is behind an error."""
    while error:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = error.__context__
    return None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _retry_after(answer: httpx.Response) -> float | None:
    """Seconds that the Retry-After header asks for, given as seconds or as an HTTP date; None without one."""
    text: str = answer.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - clock.utc_now()).total_seconds())
