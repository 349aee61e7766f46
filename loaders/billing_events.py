"""Billing events: the page envelope, the walk from page to page, a landed day, an ad hoc pull."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import TypeVar

import msgspec

from loaders import clock
from loaders.api import FalApi, Params
from loaders.body import Body, MalformedBodyError
from loaders.landing import LandingZone, Manifest, Partition

PATH = "/models/billing-events"
DEFAULT_PAGE_SIZE = 10_000
LONGEST_WINDOW = timedelta(days=90)  # the API takes no longer one in a request
MOST_IDS = 50

T = TypeVar("T")

ENVELOPE = msgspec.json.Decoder(dict[str, msgspec.Raw])  # Raw: checked, but not read
EVENTS = msgspec.json.Decoder(list[msgspec.Raw])
LINE_BREAK = re.compile(rb"[\r\n]+[ \t\r\n]*")
# an escaped backslash, a whole pair of surrogates, or half of one
SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})", re.DOTALL
)


@dataclass(frozen=True)
class EventPage:
    """A page as it came, the text of each of its events, and the cursor of the page after it."""

    body: bytes
    events: list[msgspec.Raw]
    next_cursor: str | None

    @property
    def rows(self) -> int:
        """How many events it has."""
        return len(self.events)

    @property
    def lines(self) -> Iterator[bytes]:
        """Each event as one line of JSON, every number written as fal wrote it."""
        for event in self.events:
            yield LINE_BREAK.sub(b" ", bytes(event))  # a line break in JSON is never inside a string


def partition_of(account: str, day: date) -> Partition:
    """The partition of one UTC day."""
    return Partition("billing_events", account, day.isoformat())


def land_day(api: FalApi, zone: LandingZone, account: str, day: date, page_size: int) -> Manifest:
    """Fetch all events of one UTC day and land them as a new load."""
    partition = partition_of(account, day)
    start, end = partition.window
    request = {
        "start": clock.seconds_text(start),
        "end": clock.seconds_text(end),
        "limit": page_size,
        "expand": "auth_method",
    }
    with zone.start_load(partition, request) as load:
        for number, page in enumerate(pages(api, request), start=1):
            load.add(f"page-{number:05}.json.gz", page.body, page.rows)
        return load.publish()


def pages(api: FalApi, params: Params) -> Iterator[EventPage]:
    """Every page of a window, following the cursors; at least one, which may be empty."""
    seen: set[str] = set()

    def accept(body: Body) -> EventPage:
        page = parse_page(body.content)
        if page.next_cursor in seen:
            raise MalformedBodyError("its next_cursor was there before, so the pages would never end")
        return page

    page = api.get(PATH, params, accept)
    yield page
    while page.next_cursor is not None:
        seen.add(page.next_cursor)
        page = api.get(PATH, {**params, "cursor": page.next_cursor}, accept)
        yield page


def parse_page(body: bytes) -> EventPage:
    """Check the envelope. MalformedBodyError says what is wrong with it; the events are not looked into."""
    try:
        body.decode()  # which the decoder leaves unchecked
        envelope = _members(body)
    except (ValueError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise MalformedBodyError("it has no list of billing_events") from None
        raise MalformedBodyError("it is not whole JSON") from None
    try:
        events = EVENTS.decode(envelope["billing_events"])
    except (KeyError, msgspec.ValidationError):
        raise MalformedBodyError("it has no list of billing_events") from None
    has_more, cursor = _member(envelope, "has_more", bool), _member(envelope, "next_cursor", str)
    if has_more is None:
        raise MalformedBodyError("has_more is neither true nor false")
    if has_more and not cursor:
        raise MalformedBodyError("has_more is true, but there is no next_cursor")
    return EventPage(body, events, cursor if has_more else None)


def windows(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """A window cut into pieces the API takes, newest first as it lists events."""
    pieces = []
    while start < end:
        pieces.append((max(start, end - LONGEST_WINDOW), end))
        end -= LONGEST_WINDOW
    return pieces


def _members(body: bytes) -> dict[str, msgspec.Raw]:
    """The members of the envelope. Half a surrogate pair, which JSON allows, reads as U+FFFD."""
    try:
        return ENVELOPE.decode(body)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        return ENVELOPE.decode(SURROGATES.sub(_whole, body))


def _member(envelope: dict[str, msgspec.Raw], name: str, kind: type[T]) -> T | None:
    """A member of the envelope, or None when it is missing or of another kind."""
    try:
        return msgspec.json.decode(envelope.get(name, b"null"), type=kind)
    except msgspec.ValidationError:
        return None


def _whole(found: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if found["half"] else found[0]
