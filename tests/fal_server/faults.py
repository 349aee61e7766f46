"""Faults for the next requests to the local fal, one per request, in order."""

import gzip
import json
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import TYPE_CHECKING, Literal

from tests.fal_server.messages import Answer, Request, error_answer, read_cursor, write_cursor

if TYPE_CHECKING:
    from tests.fal_server.server import FalServer

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
LONG_AGO = "Thu, 01 Jan 2026 00:00:00 GMT"
MEGABYTE = 2**20

Answering = Callable[["FalServer", Request], Answer]
When = Callable[[Request], bool]


@dataclass(frozen=True)
class Delivery:
    """How a response is sent.

    framing: how the client finds the end of the body; "close" means the end of the connection. sent: the part
    that is sent before `ending`; half of a text ends at the end of a line. drip: position after which each
    byte follows `seconds` later. ending: "silence" sends nothing for `seconds`, then closes.
    """

    framing: Literal["length", "chunked", "close"] = "length"
    sent: Literal["nothing", "half", "all"] = "all"
    drip: Literal["head", "body"] | None = None
    ending: Literal["keep", "close", "reset", "silence"] = "keep"
    seconds: float = 0.0


AS_IT_SHOULD = Delivery()


def truly(fal: "FalServer", request: Request) -> Answer:
    """Return the true answer."""
    return fal.answer(request)


@dataclass
class Fault:
    """A fault for the next `times` requests that match `when` (by default, all)."""

    answering: Answering = truly
    delivery: Delivery = AS_IT_SHOULD
    times: int = 1
    when: When | None = None

    @classmethod
    def answer(
        cls, status: int, body: bytes = b"", headers: dict[str, str] | None = None, **more: object
    ) -> "Fault":
        """Send this answer."""
        return cls(lambda fal, request: Answer(status, body, "text/plain", headers or {}), **more)

    @classmethod
    def error(
        cls, status: int, kind: str, message: str, headers: dict[str, str] | None = None, **more: object
    ) -> "Fault":
        """Send an error in fal's format."""
        answer = replace(error_answer(status, kind, message), headers=headers or {})
        return cls(lambda fal, request: answer, **more)

    @classmethod
    def rate_limited(cls, retry_after: str | None = "0", **more: object) -> "Fault":
        """Send 429, with a Retry-After in seconds or as an HTTP date, or without one."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return cls.error(429, "rate_limited", "Too many requests", headers, **more)

    @classmethod
    def server_error(cls, **more: object) -> "Fault":
        """Send 500 in fal's format."""
        return cls.error(500, "server_error", "Something went wrong", **more)

    @classmethod
    def bad_gateway(cls, status: int = 502, **more: object) -> "Fault":
        """Send HTML as from a proxy, with 502 or any other status, even 200."""
        return cls.answer(status, HTML, {"Content-Type": "text/html"}, **more)

    @classmethod
    def unauthorized(cls, **more: object) -> "Fault":
        """Send 401 in fal's format."""
        return cls.error(401, "authorization_error", "Invalid key", **more)

    @classmethod
    def malformed(cls, **more: object) -> "Fault":
        """Send a complete response with half a document as body."""
        return cls.altered(half, **more)

    @classmethod
    def cut(cls, **more: object) -> "Fault":
        """End the connection in the middle of the body."""
        return cls(delivery=Delivery(sent="half", ending="close"), **more)

    @classmethod
    def reset(cls, **more: object) -> "Fault":
        """Reset the connection before a response."""
        return cls(delivery=Delivery(sent="nothing", ending="reset"), **more)

    @classmethod
    def stall(cls, seconds: float = 120.0, **more: object) -> "Fault":
        """Send nothing for a time, by default longer than the loaders wait."""
        return cls(delivery=Delivery(sent="nothing", ending="silence", seconds=seconds), **more)

    @classmethod
    def altered(cls, alter: Callable[[Answer], Answer], **more: object) -> "Fault":
        """Change the true answer."""
        return cls(lambda fal, request: alter(fal.answer(request)), **more)


class Script(list[Fault]):
    """A list of faults to come, to which tests append."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def take(self, request: Request) -> Fault | None:
        """Return the first fault that matches this request, and count it."""
        with self._lock:
            for fault in self:
                if fault.when is None or fault.when(request):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.remove(fault)
                    return fault
        return None


# ---------------------------------------------------------------- changes of a true answer


def half(answer: Answer) -> Answer:
    """Send half a document as if it were complete."""
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def plain(answer: Answer) -> Answer:
    """Send without compression."""
    return replace(answer, headers={"Content-Encoding": "identity"})


def gzip_cut(answer: Answer) -> Answer:
    """Send truncated gzip as if it were complete."""
    return replace(answer, body=gzip.compress(answer.body)[:-9], headers={"Content-Encoding": "gzip"})


def not_gzip(answer: Answer) -> Answer:
    """Label plain text as gzip."""
    return replace(answer, headers={"Content-Encoding": "gzip"})


def latin_1(answer: Answer) -> Answer:
    """Send an ä in Latin-1, which is invalid UTF-8."""
    return replace(answer, body=answer.body.replace(b"a", b"\xe4"))


def header_flood(answer: Answer) -> Answer:
    """Send half a megabyte of headers."""
    return replace(answer, headers={f"X-Flood-{number}": "x" * 1000 for number in range(500)})


def oversized(answer: Answer) -> Answer:
    """Append more spaces to the body than the loaders read."""
    return plain(replace(answer, body=answer.body + b" " * 64 * MEGABYTE))


def zip_bomb(answer: Answer) -> Answer:
    """Send 128 MB of spaces in 128 KB of gzip."""
    return replace(answer, body=_bomb(), headers={"Content-Encoding": "gzip"})


@cache
def _bomb() -> bytes:
    deflate = zlib.compressobj(9, wbits=31)
    spaces = b" " * MEGABYTE
    return b"".join(deflate.compress(spaces) for _ in range(128)) + deflate.flush()


def without(*fields: str) -> Callable[[Answer], Answer]:
    """Remove fields of a page."""

    def alter(answer: Answer) -> Answer:
        page = {name: value for name, value in json.loads(answer.body).items() if name not in fields}
        return replace(answer, body=json.dumps(page).encode())

    return alter


def without_list(answer: Answer) -> Answer:
    """Remove the list of a page."""
    return without(_list_of(answer))(answer)


def saying(**fields: object) -> Callable[[Answer], Answer]:
    """Replace fields of a page."""
    return lambda answer: replace(answer, body=json.dumps({**json.loads(answer.body), **fields}).encode())


def leading(pages: int) -> Answering:
    """Make the cursor lead that many pages on, without end: 0 to the same page, a negative number back."""

    def answering(fal: "FalServer", request: Request) -> Answer:
        page, limit = _place(request)
        cursor = write_cursor(max(page + pages, 0), limit)
        return saying(has_more=True, next_cursor=cursor)(truly(fal, request))

    return answering


def empty_page(fal: "FalServer", request: Request) -> Answer:
    """Send a page without rows, whose cursor leads to the rows of that page."""
    cursor = write_cursor(*_place(request), after_an_empty_page=1)
    answer = truly(fal, request)
    return saying(has_more=True, next_cursor=cursor, **{_list_of(answer): []})(answer)


def larger_page(fal: "FalServer", request: Request) -> Answer:
    """Send all rows on the first page, regardless of the limit; later pages are unchanged."""
    params = {name: values for name, values in request.params.items() if name != "limit"}
    return truly(fal, replace(request, params=params))


def _list_of(answer: Answer) -> str:
    """Return the name of the list of a page, by default that of events."""
    lists = [name for name, value in json.loads(answer.body).items() if isinstance(value, list)]
    return lists[0] if lists else "billing_events"


def _place(request: Request) -> tuple[int, int]:
    cursor = request.one("cursor")
    return read_cursor(cursor) if cursor else (0, int(request.one("limit") or 10_000))


# ---------------------------------------------------------------- faults by name

FAULTS: dict[str, Callable[..., Fault]] = {
    # refusals, and answers that do not come from fal
    "rate_limited": Fault.rate_limited,
    "rate_limited_until": partial(Fault.rate_limited, LONG_AGO),
    "rate_limited_untold": partial(Fault.rate_limited, None),
    "server_error": Fault.server_error,
    "bad_gateway": Fault.bad_gateway,
    "html_page": partial(Fault.bad_gateway, 200),
    "unauthorized": Fault.unauthorized,
    "redirect": partial(Fault.answer, 302, b"", {"Location": "https://elsewhere.example/v1"}),
    # connections that break or stall
    "reset": Fault.reset,
    "reset_in_body": partial(Fault, delivery=Delivery(sent="half", ending="reset")),
    "cut": Fault.cut,
    "cut_chunked": partial(
        Fault.altered, plain, delivery=Delivery(framing="chunked", sent="half", ending="close")
    ),
    "cut_unframed": partial(
        Fault.altered, plain, delivery=Delivery(framing="close", sent="half", ending="close")
    ),
    "cut_unframed_gzip": partial(Fault, delivery=Delivery(framing="close", sent="half", ending="close")),
    "stall": Fault.stall,
    "stall_in_body": partial(Fault, delivery=Delivery(sent="half", ending="silence", seconds=120)),
    "drip": partial(Fault, delivery=Delivery(drip="body", seconds=0.02)),
    "drip_in_head": partial(Fault, delivery=Delivery(drip="head", seconds=0.02)),
    # damaged bodies in complete HTTP responses
    "gzip_cut": partial(Fault.altered, gzip_cut),
    "not_gzip": partial(Fault.altered, not_gzip),
    "malformed": Fault.malformed,
    "empty_body": partial(Fault.answer, 200),
    "latin_1": partial(Fault.altered, latin_1),
    # excessive amounts
    "header_flood": partial(Fault.altered, header_flood),
    "oversized": partial(Fault.altered, oversized),
    "zip_bomb": partial(Fault.altered, zip_bomb),
    # pages of another shape
    "no_page": partial(Fault.answer, 200, b"[]"),
    "no_events": partial(Fault.altered, without_list),
    "no_has_more": partial(Fault.altered, without("has_more")),
    "no_next_cursor": partial(Fault.altered, saying(has_more=True, next_cursor=None)),
    "cursor_again": partial(Fault, leading(0)),
    "cursors_in_a_circle": partial(Fault, leading(-1)),
    # unusual but valid pages
    "empty_page": partial(Fault, empty_page),
    "larger_page": partial(Fault, larger_page),
    "unframed": partial(Fault.altered, plain, delivery=Delivery(framing="close")),
}
