"""Billing events: the page envelope, the walk from page to page, a landed day, an ad hoc pull."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from loaders import clock
from loaders.api import FalApi, Params
from loaders.body import Body, MalformedBodyError
from loaders.landing import LandingZone, Manifest, Partition

PATH = "/models/billing-events"
DEFAULT_PAGE_SIZE = 10_000
LONGEST_WINDOW = timedelta(days=90)  # the API takes no longer one in a request
MOST_IDS = 50

WHITESPACE = re.compile(r"[ \t\n\r]*")
LINE_BREAK = re.compile(r"[\r\n]+[ \t\r\n]*")
DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class EventPage:
    """A page as it came, and what of it the walk needs to know."""

    body: bytes
    rows: int
    next_cursor: str | None


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
        envelope = json.loads(body.decode(), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise MalformedBodyError("it is not whole JSON") from None
    if not isinstance(envelope, dict) or not isinstance(envelope.get("billing_events"), list):
        raise MalformedBodyError("it has no list of billing_events")
    has_more, cursor = envelope.get("has_more"), envelope.get("next_cursor")
    if not isinstance(has_more, bool):
        raise MalformedBodyError("has_more is neither true nor false")
    if has_more and not (isinstance(cursor, str) and cursor):
        raise MalformedBodyError("has_more is true, but there is no next_cursor")
    return EventPage(body, len(envelope["billing_events"]), cursor if has_more else None)


def verbatim_events(body: bytes) -> Iterator[str]:
    """Each event of an accepted page as one line of JSON, every number written as fal wrote it."""
    text = body.decode()
    for start, end in _members(text):
        yield LINE_BREAK.sub(" ", text[start:end])  # a line break in JSON is never inside a string


def windows(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """A window cut into pieces the API takes, newest first as it lists events."""
    pieces = []
    while start < end:
        pieces.append((max(start, end - LONGEST_WINDOW), end))
        end -= LONGEST_WINDOW
    return pieces


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _members(text: str) -> Iterator[tuple[int, int]]:
    """Where each member of the list `billing_events` begins and ends in the text of a page."""
    at = _skip(text, 0) + 1  # past the {
    while True:
        name, at = DECODER.raw_decode(text, _skip(text, at))
        at = _skip(text, _skip(text, at) + 1)  # past the :
        if name == "billing_events":
            break
        at = _skip(text, DECODER.raw_decode(text, at)[1]) + 1  # past the value and its comma
    at = _skip(text, at + 1)  # past the [
    while text[at] != "]":
        end = DECODER.raw_decode(text, at)[1]
        yield at, end
        at = _skip(text, end)
        at = _skip(text, at + 1) if text[at] == "," else at


def _skip(text: str, at: int) -> int:
    match = WHITESPACE.match(text, at)
    return match.end() if match else at
