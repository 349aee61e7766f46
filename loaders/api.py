"""The HTTP client of the fal API: the key, timeouts, and errors of one line. retries.py has the pauses."""

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import TracebackType
from typing import NoReturn, Self, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from loaders.body import LARGEST, Body, MalformedBodyError, OversizedBodyError, is_html, read_body
from loaders.connection import Connection
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
from loaders.retries import LONGEST_RETRY_AFTER, TransientError, make_retrying, read_retry_after
from loaders.settings import ApiSettings

CONNECT_TIMEOUT = 10.0
LONGEST_TRY = 10  # times the timeout, which a server that sends a byte now and then never exceeds

HEADER_FLOOD = "Receive buffer too long"  # the message of h11 for headers over 100 KB

T = TypeVar("T")
Params = Mapping[str, str | int | Sequence[str]]


@dataclass(frozen=True)
class Request:
    """A GET request. As text, it has the path, the team, and the window or month."""

    path: str
    params: Params

    def __str__(self) -> str:
        if "start" in self.params or "end" in self.params:
            window = f" ({self.params.get('start', '24 hours')} to {self.params.get('end', 'now')})"
        else:
            month = self.params.get("billing_month") or self.params.get("charge_month")
            window = f" ({month})" if month else ""
        team = self.params.get("team_username")
        return f"GET {self.path}{f' of {team}' if team else ''}{window}"


class FalApi:
    """The fal API, for use by many threads at once. Requests at the same time have a connection each.

    stopping: once set, ends all waits and prevents further requests. max_pages: see ApiSettings.
    refused: what callers no longer request, since fal has refused it in this run. delayed: the feeds for
    which fal has requested a longer wait than a run waits, with the message.
    """

    def __init__(self, api_settings: ApiSettings) -> None:
        self.stopping = threading.Event()
        self.max_pages = api_settings.max_pages
        self.refused = set[str]()
        self.delayed = dict[str, str]()
        self._settings = api_settings
        self._secrets = compile_secrets(api_settings.key)
        self._longest_try = LONGEST_TRY * api_settings.timeout
        self._connect = prepare_connections(api_settings)
        self._idle = [self._connect()]
        self._busy = set[Connection]()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for connection in [*self._busy]:
            connection.abort()
        for connection in self._idle:
            connection.close()

    def get(self, path: str, params: Params, accept: Callable[[Body], T]) -> T:
        """GET a path with retries, and return the result of `accept` for the body.

        accept: raises MalformedBodyError for a body that needs a retry. Raises UnauthorizedError (401, 403),
        NotFoundError (404), MisdirectedError (3xx), RejectedError (other 4xx), UnreachableError,
        PostponedError, TooLargeError, GaveUpError.
        """
        retrying = make_retrying(self._settings.retry_max_wait, self.stopping)
        request = Request(path, params)
        try:
            accepted: T = retrying(self._try_once, request, accept)
            return accepted
        except TransientError as error:
            what = f"{request}: {error} ({retrying.statistics.get('attempt_number', 1)} tries)"
            if error.unreachable:
                message = f"{what}; check the network, FAL_API_URL and HTTPS_PROXY"
                raise UnreachableError(self._redact(message)) from None
            message = f"{what}; none of it was landed, run it again later"
            raise GaveUpError(self._redact(message)) from None

    def _try_once(self, request: Request, accept: Callable[[Body], T]) -> T:
        if self.stopping.is_set():
            raise TransientError("the run is stopping")
        longest = self._longest_try
        until = time.monotonic() + longest
        try:
            with self._borrow_connection() as connection:
                body = run_within(longest, partial(self._fetch, connection, request, until))
            return accept(body)
        except TimeoutError:
            raise TransientError(f"it took longer than {longest:g} seconds") from None
        except MalformedBodyError as error:
            raise TransientError(f"answered 200, but the body is invalid: {error}") from None
        except OversizedBodyError:
            is_page = "limit" in request.params
            what_to_do = "give billing-events a smaller --page-size" if is_page else "request less at once"
            what = f"the body is over the limit of {LARGEST // 2**20} MB"
            raise TooLargeError(self._redact(f"{request}: {what}; {what_to_do}")) from None

    @contextmanager
    def _borrow_connection(self) -> Iterator[Connection]:
        """Yield an idle connection, or a new one. A TimeoutError aborts it, so that its thread ends."""
        try:
            connection = self._idle.pop()
        except IndexError:
            connection = self._connect()
        self._busy.add(connection)
        try:
            yield connection
        except TimeoutError:
            connection.abort()
            raise
        finally:
            self._busy.discard(connection)
            if not connection.is_aborted:
                self._idle.append(connection)

    def _fetch(self, connection: Connection, request: Request, until: float) -> Body:
        """Send a request once. Raises the errors of _check_status and read_body, and those below."""
        url = self._settings.api_url + request.path
        try:
            with connection.stream(url, dict(request.params)) as response:
                self._check_status(response, request, until)
                body = read_body(response, until)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol) as error:
            self._raise_connect_error(error, request)
        except (httpx.TransportError, httpx.StreamError) as error:
            what = "its headers are too long" if HEADER_FLOOD in str(error) else _describe_error(error)
            raise TransientError(f"the connection failed: {what}") from None
        except (httpx.InvalidURL, UnicodeError):  # of a proxy, or of a redirect, which httpx always parses
            what = "a redirect or a proxy has an invalid address; check FAL_API_URL and HTTPS_PROXY"
            raise MisdirectedError(self._redact(f"{request}: {what}")) from None
        if is_html(response, body):
            raise MalformedBodyError("it is an HTML page")
        return body

    def _raise_connect_error(self, error: Exception, request: Request) -> NoReturn:
        """Raise UnreachableError for a certificate that is not trusted, else TransientError."""
        host = urlsplit(self._settings.api_url).netloc
        if rejected := _find_certificate_error(error):
            found = f"the certificate of {host} cannot be trusted: {rejected.verify_message}"
            what_to_do = (
                "check FAL_API_URL and the clock of this machine; "
                "if a proxy here signs certificates itself, set SSL_CERT_FILE to the file of its authority"
            )
            raise UnreachableError(self._redact(f"{request}: {found}; {what_to_do}")) from None
        what = f"cannot connect to {host}: {_describe_error(error)}"
        raise TransientError(what, unreachable=True) from None

    def _check_status(self, response: httpx.Response, request: Request, until: float) -> None:
        """Raise the error of a response whose status is not 200."""
        status = response.status_code
        if status == 200:
            return
        answer = f"answered {status}{self._read_error(response, until)}"
        if status == 429 or status >= 500:
            self._raise_busy(answer, read_retry_after(response), request)
        if status in (401, 403):
            what_to_do = "check FAL_KEY: it must be an admin key of an account that may use this"
            raise UnauthorizedError(self._redact(f"{request}: {answer}; {what_to_do}"))
        if status == 404:
            raise NotFoundError(self._redact(f"{request}: {answer}; check FAL_API_URL and the parameters"))
        if 300 <= status < 400:
            host = response.next_request.url.host if response.next_request else "another address"
            what_to_do = f"redirected to {host}, and the key does not follow; check FAL_API_URL"
            raise MisdirectedError(self._redact(f"{request}: answered {status}, {what_to_do}"))
        raise RejectedError(self._redact(f"{request}: {answer}; check the parameters"))

    def _raise_busy(self, answer: str, retry_after: float | None, request: Request) -> NoReturn:
        """Raise PostponedError if a server requests too long a wait, else TransientError."""
        if retry_after is not None and retry_after > LONGEST_RETRY_AFTER:
            wait = f"requests a wait of {retry_after:,.0f} seconds"
            raise PostponedError(self._redact(f"{request}: {answer}, and {wait}; run it again after that"))
        raise TransientError(answer, retry_after)

    def _read_error(self, response: httpx.Response, until: float) -> str:
        """Return the error in a body of fal, as ` (type: message)`, or "" for another body."""
        try:
            error = json.loads(read_body(response, until).content)["error"]
            text = self._redact(f"{error['type']}: {error['message']}")
        except (MalformedBodyError, OversizedBodyError, TimeoutError, httpx.TransportError):
            return ""
        except (ValueError, KeyError, TypeError, RecursionError):
            return ""
        return f" ({text[:300]})"

    def _redact(self, message: str) -> str:
        """Return a message as one line, without control characters and without the key."""
        line = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", self._secrets.sub("[key]", message))
        return line if len(line) <= 600 else line[:600] + "..."


def compile_secrets(key: str) -> re.Pattern[str]:
    """Return a pattern for a key and its longer parts, plain and as in URLs and JSON."""
    parts = [key, *(part for part in key.split(":") if len(part) >= 6)]
    forms = {
        form for part in parts for form in (part, quote(part), quote(part, safe=""), json.dumps(part)[1:-1])
    }
    longest_first = sorted(forms, key=len, reverse=True)
    return re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)


def run_within(seconds: float, work: Callable[[], T]) -> T:
    """Return the result of `work`, or raise its error. Raises TimeoutError if it takes longer, and leaves it.

    It runs on its own thread, since httpx has no limit for headers that arrive one by one. The caller
    ends work that takes longer.
    """
    outcome: Future[T] = Future()
    threading.Thread(target=_settle, args=(outcome, work), name="try", daemon=True).start()
    return outcome.result(seconds)


def prepare_connections(api_settings: ApiSettings) -> Callable[[], Connection]:
    """Return a function that makes a connection. Raises SettingsError; so does the function."""
    timeout = api_settings.timeout
    # plain http is allowed only to this machine, where a proxy would get the key
    trust_env = urlsplit(api_settings.api_url).scheme == "https"

    def connect() -> Connection:
        with _explained_settings():
            client = httpx.Client(
                headers={
                    "Authorization": f"Key {api_settings.key}",
                    "User-Agent": "fal-focus-loaders",
                    "Accept-Encoding": "gzip",
                },
                # no request needs a cookie, and httpx would keep any number of them
                cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
                timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_TIMEOUT)),
                limits=httpx.Limits(max_connections=1),
                follow_redirects=False,  # another host must not get the key
                trust_env=trust_env,
                verify=certificates,
            )
        return Connection(client)

    with _explained_settings():
        certificates = httpx.create_ssl_context(trust_env=trust_env)  # reads a file of 200 KB
    return connect


@contextmanager
def _explained_settings() -> Iterator[None]:
    """Replace errors of proxy and certificate settings, whose messages may contain a password."""
    try:
        yield
    except (httpx.InvalidURL, ValueError, ImportError, OSError):
        raise SettingsError(
            "the proxy or certificate settings cannot be used: check HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, "
            "NO_PROXY (http and https proxies only), SSL_CERT_FILE and SSL_CERT_DIR"
        ) from None


def _settle(outcome: Future[T], work: Callable[[], T]) -> None:
    """Set the result or the error of `work` as the outcome."""
    try:
        outcome.set_result(work())
    except BaseException as error:
        outcome.set_exception(error)


def _find_certificate_error(error: BaseException | None) -> ssl.SSLCertVerificationError | None:
    """Return the certificate error that caused an error, if any."""
    while error:
        if isinstance(error, ssl.SSLCertVerificationError):
            return error
        error = error.__context__
    return None


def _describe_error(error: Exception) -> str:
    return str(error) or type(error).__name__
