"""Faults the local fal can be told to make, one per request, in the order they were given."""

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
    """How an answer goes over the wire.

    framing: what tells where the body ends; "close" is the end of the connection alone. sent: how much goes
    out before `ending`; half of a text ends at the end of a line. drip: from where on there are `seconds`
    between two bytes. ending: "silence" says nothing for `seconds`, then closes.
    """

    framing: Literal["length", "chunked", "close"] = "length"
    sent: Literal["nothing", "half", "all"] = "all"
    drip: Literal["head", "body"] | None = None
    ending: Literal["keep", "close", "reset", "silence"] = "keep"
    seconds: float = 0.0


AS_IT_SHOULD = Delivery()


def truly(fal: "FalServer", request: Request) -> Answer:
    """The true answer."""
    return fal.answer(request)


@dataclass
class Fault:
    """What happens to the next `times` requests that `when` says yes to (all, by default)."""

    answering: Answering = truly
    delivery: Delivery = AS_IT_SHOULD
    times: int = 1
    when: When | None = None

    @classmethod
    def answer(
        cls, status: int, body: bytes = b"", headers: dict[str, str] | None = None, **more: object
    ) -> "Fault":
        """Any answer at all."""
        return cls(lambda fal, request: Answer(status, body, "text/plain", headers or {}), **more)  # type: ignore[arg-type]

    @classmethod
    def error(
        cls, status: int, kind: str, message: str, headers: dict[str, str] | None = None, **more: object
    ) -> "Fault":
        """An error as fal writes it."""
        answer = replace(error_answer(status, kind, message), headers=headers or {})
        return cls(lambda fal, request: answer, **more)  # type: ignore[arg-type]

    @classmethod
    def rate_limited(cls, retry_after: str | None = "0", **more: object) -> "Fault":
        """429, with a Retry-After in seconds or as an HTTP date, or without one."""
        headers = {} if retry_after is None else {"Retry-After": retry_after}
        return cls.error(429, "rate_limited", "Too many requests", headers, **more)  # type: ignore[arg-type]

    @classmethod
    def server_error(cls, **more: object) -> "Fault":
        """500 as fal writes it."""
        return cls.error(500, "server_error", "Something went wrong", **more)  # type: ignore[arg-type]

    @classmethod
    def bad_gateway(cls, status: int = 502, **more: object) -> "Fault":
        """HTML from a proxy in front, with 502 or any other status, even 200."""
        return cls.answer(status, HTML, {"Content-Type": "text/html"}, **more)  # type: ignore[arg-type]

    @classmethod
    def unauthorized(cls, **more: object) -> "Fault":
        """401 as fal writes it."""
        return cls.error(401, "authorization_error", "Invalid key", **more)  # type: ignore[arg-type]

    @classmethod
    def malformed(cls, **more: object) -> "Fault":
        """A whole answer whose body is half a document."""
        return cls.altered(half, **more)

    @classmethod
    def cut(cls, **more: object) -> "Fault":
        """The connection ends in the middle of the body."""
        return cls(delivery=Delivery(sent="half", ending="close"), **more)  # type: ignore[arg-type]

    @classmethod
    def reset(cls, **more: object) -> "Fault":
        """The connection is reset before anything is said."""
        return cls(delivery=Delivery(sent="nothing", ending="reset"), **more)  # type: ignore[arg-type]

    @classmethod
    def stall(cls, seconds: float = 120.0, **more: object) -> "Fault":
        """Nothing is said for a while, by default longer than the loaders wait."""
        return cls(delivery=Delivery(sent="nothing", ending="silence", seconds=seconds), **more)  # type: ignore[arg-type]

    @classmethod
    def altered(cls, alter: Callable[[Answer], Answer], **more: object) -> "Fault":
        """The true answer with something done to it."""
        return cls(lambda fal, request: alter(fal.answer(request)), **more)  # type: ignore[arg-type]


class Script(list[Fault]):
    """The faults still to come; a list, so that a test appends to it."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def take(self, request: Request) -> Fault | None:
        """The first fault meant for this request, used up by one."""
        with self._lock:
            for fault in self:
                if fault.when is None or fault.when(request):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.remove(fault)
                    return fault
        return None


# ---------------------------------------------------------------- what is done to a true answer


def half(answer: Answer) -> Answer:
    """Half a document, sent as if it were whole."""
    return replace(answer, body=answer.body[: len(answer.body) // 2])


def plain(answer: Answer) -> Answer:
    """Not compressed."""
    return replace(answer, headers={"Content-Encoding": "identity"})


def gzip_cut(answer: Answer) -> Answer:
    """Valid gzip without its end, sent as if it were whole."""
    return replace(answer, body=gzip.compress(answer.body)[:-9], headers={"Content-Encoding": "gzip"})


def not_gzip(answer: Answer) -> Answer:
    """Text that says it is gzip."""
    return replace(answer, headers={"Content-Encoding": "gzip"})


def latin_1(answer: Answer) -> Answer:
    """An ä in Latin-1, which is no UTF-8."""
    return replace(answer, body=answer.body.replace(b"fal", b"f\xe4l"))


def header_flood(answer: Answer) -> Answer:
    """Half a megabyte of headers."""
    return replace(answer, headers={f"X-Flood-{number}": "x" * 1000 for number in range(500)})


def oversized(answer: Answer) -> Answer:
    """The body, and after it more spaces than are read of any."""
    return plain(replace(answer, body=answer.body + b" " * 64 * MEGABYTE))


def zip_bomb(answer: Answer) -> Answer:
    """128 MB of spaces in 128 KB of gzip."""
    return replace(answer, body=_bomb(), headers={"Content-Encoding": "gzip"})


@cache
def _bomb() -> bytes:
    deflate = zlib.compressobj(9, wbits=31)
    spaces = b" " * MEGABYTE
    return b"".join(deflate.compress(spaces) for _ in range(128)) + deflate.flush()


def without(*fields: str) -> Callable[[Answer], Answer]:
    """A page that lacks some of its fields."""

    def alter(answer: Answer) -> Answer:
        page = {name: value for name, value in json.loads(answer.body).items() if name not in fields}
        return replace(answer, body=json.dumps(page).encode())

    return alter


def saying(**fields: object) -> Callable[[Answer], Answer]:
    """A page that says something else in some of its fields."""
    return lambda answer: replace(answer, body=json.dumps({**json.loads(answer.body), **fields}).encode())


def leading(pages: int) -> Answering:
    """A page whose cursor leads that many pages on, never to an end: 0 to itself, a negative number back."""

    def answering(fal: "FalServer", request: Request) -> Answer:
        page, limit = _place(request)
        cursor = write_cursor(max(page + pages, 0), limit)
        return saying(has_more=True, next_cursor=cursor)(truly(fal, request))

    return answering


def empty_page(fal: "FalServer", request: Request) -> Answer:
    """An honest page without events, whose cursor leads to those that could have been on it."""
    cursor = write_cursor(*_place(request), after_an_empty_page=1)
    return saying(billing_events=[], has_more=True, next_cursor=cursor)(truly(fal, request))


def larger_page(fal: "FalServer", request: Request) -> Answer:
    """All that there is, however few were asked for; a page after the first is as it should be."""
    params = {name: values for name, values in request.params.items() if name != "limit"}
    return truly(fal, replace(request, params=params))


def _place(request: Request) -> tuple[int, int]:
    cursor = request.one("cursor")
    return read_cursor(cursor) if cursor else (0, int(request.one("limit") or 10_000))


# ---------------------------------------------------------------- faults by name

FAULTS: dict[str, Callable[..., Fault]] = {
    # an answer that is a refusal, or not fal's
    "rate_limited": Fault.rate_limited,
    "rate_limited_until": partial(Fault.rate_limited, LONG_AGO),
    "rate_limited_untold": partial(Fault.rate_limited, None),
    "server_error": Fault.server_error,
    "bad_gateway": Fault.bad_gateway,
    "html_page": partial(Fault.bad_gateway, 200),
    "unauthorized": Fault.unauthorized,
    "redirect": partial(Fault.answer, 302, b"", {"Location": "https://elsewhere.example/v1"}),
    # a connection that breaks, or is as good as broken
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
    # a body that is whole as HTTP sees it
    "gzip_cut": partial(Fault.altered, gzip_cut),
    "not_gzip": partial(Fault.altered, not_gzip),
    "malformed": Fault.malformed,
    "empty_body": partial(Fault.answer, 200),
    "latin_1": partial(Fault.altered, latin_1),
    # too much of anything
    "header_flood": partial(Fault.altered, header_flood),
    "oversized": partial(Fault.altered, oversized),
    "zip_bomb": partial(Fault.altered, zip_bomb),
    # a page of another shape
    "no_page": partial(Fault.answer, 200, b"[]"),
    "no_events": partial(Fault.altered, without("billing_events")),
    "no_has_more": partial(Fault.altered, without("has_more")),
    "no_next_cursor": partial(Fault.altered, saying(has_more=True, next_cursor=None)),
    "cursor_again": partial(Fault, leading(0)),
    "cursors_in_a_circle": partial(Fault, leading(-1)),
    # a page that is unusual, and right
    "empty_page": partial(Fault, empty_page),
    "larger_page": partial(Fault, larger_page),
    "unframed": partial(Fault.altered, plain, delivery=Delivery(framing="close")),
}
