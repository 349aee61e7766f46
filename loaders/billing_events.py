"""Billing events: the page envelope, the walk from page to page, and landing a day."""

import codecs
import json
import re
from collections import deque
from collections.abc import Collection, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from functools import partial
from hashlib import blake2b
from itertools import chain
from typing import Generic, TypeVar

import msgspec

from loaders import clock
from loaders.api import FalApi, Params, Request
from loaders.body import Body, MalformedBodyError
from loaders.errors import (
    BrokenFileError,
    EndlessError,
    MisdirectedError,
    RejectedError,
    UnauthorizedError,
)
from loaders.landing import LandingZone, Load, Manifest, Partition, describe_page
from loaders.settings import MOST_PAGES

NAME = b'"billing_events"'
ESCAPED_LETTER = re.compile(rb"\\u00(?:5[fF]|6[25679cCeE]|7[346])")  # of billing_events
PATH = "/models/billing-events"
DEFAULT_PAGE_SIZE = 10_000
LONGEST_WINDOW = timedelta(days=90)  # the limit of the API for a request
MOST_IDS = 50
MOST_WALKS = 3
MOST_STALE_PAGES = 100  # in a row, without a new event
LONGEST_CURSOR = 8192  # bytes; percent-encoded, a longer one may exceed the 64 KB that an address may have
REMEMBERED = 20_000  # events; rows move by less between two pages
BORDER = 1000  # events at either end of a page that are all compared
UTF8_PIECE = 2**16  # bytes decoded at once: as text, a whole page takes up to four times its bytes
LINE_BREAK = re.compile(rb"[\r\n]+[ \t\r\n]*")
# an escaped backslash, a surrogate pair, or half of one
SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})", re.DOTALL
)

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


class Envelope(msgspec.Struct):
    """The fields of a page that loaders use. Raw values are checked to be JSON, but not decoded."""

    billing_events: list[msgspec.Raw]
    has_more: msgspec.Raw = msgspec.Raw(b"null")
    next_cursor: msgspec.Raw = msgspec.Raw(b"null")


ENVELOPE = msgspec.json.Decoder(Envelope)


@dataclass(frozen=True)
class EventPage:
    """A page: its body, the JSON text of each event, and the cursor of the next page. gzipped: see Body."""

    body: bytes
    events: list[msgspec.Raw]
    next_cursor: str | None
    gzipped: bytes | None = None

    @property
    def rows(self) -> int:
        """The number of events."""
        return len(self.events)

    @property
    def lines(self) -> Iterator[bytes]:
        """Each event as one line of JSON; numbers keep their digits."""
        for event in self.events:
            yield LINE_BREAK.sub(b" ", bytes(event))  # strings in JSON contain no line breaks


def locate_day(account: str, day: date) -> Partition:
    """Return the partition of one UTC day."""
    return Partition("billing_events", account, day.isoformat())


def land_day(api: FalApi, zone: LandingZone, account: str, day: date, page_size: int) -> Manifest:
    """Fetch all events of one UTC day and land them as a new load."""
    partition = locate_day(account, day)
    start, end = partition.window
    request = {
        "start": clock.format_seconds(start),
        "end": clock.format_seconds(end),
        "limit": page_size,
        "expand": "auth_method",
    }
    with zone.start_load(partition, request) as load:
        return load.publish(agreed=walk(api, load))


def walk(api: FalApi, load: Load) -> bool | None:
    """Fetch the pages of a load, and repeat that while rows move from page to page.

    A repeated event means that another row was inserted before it, maybe on a page that was already fetched.
    A day that is over is therefore walked until two walks in a row hold the same events, at most MOST_WALKS
    times. The last walk lands, since it includes events that arrived during the others. Returns whether the
    last two walks agreed. Returns None after a single walk, as for a day that is not over, whose rows move
    anyway.
    """
    while True:
        has_repeats = walk_once(api, load)
        earlier = load.walk.earlier
        if not load.complete or not (has_repeats or earlier):
            return None
        digest = digest_events(load)
        agreed = digest in earlier[-1:]
        if agreed or len(earlier) + 1 == MOST_WALKS:
            return agreed
        load.restart((*earlier, digest))


def walk_once(api: FalApi, load: Load) -> bool:
    """Fetch the missing pages of a load; return whether an event is on two pages.

    Continues after the pages of an earlier run. If fal rejects their cursor, all pages are fetched again.
    """
    try:
        return _fetch_missing_pages(api, load)
    except (UnauthorizedError, MisdirectedError):
        raise
    except RejectedError:
        if not load.is_resumed:
            raise
    load.restart()
    return _fetch_missing_pages(api, load)


def _fetch_missing_pages(api: FalApi, load: Load) -> bool:
    """Fetch the missing pages; return whether an event is on two pages. An EndlessError removes all pages."""
    detector, cursors = RepeatDetector(load.walk.request), list[str]()
    try:
        for page in resume_pages(load):
            detector.check(page)
            cursors += [page.next_cursor] if page.next_cursor else []
        for page in fetch_pages(api, load.walk.request, cursors):
            load.add_page(name_file(len(load.pages) + 1), page.body, page.rows, page.gzipped)
            if page.next_cursor is not None:
                load.record_page()
            detector.check(page)
            del page  # frees its memory, most of what a load takes, before the next page arrives
    except EndlessError:
        load.restart()
        raise
    return detector.has_repeats


def resume_pages(load: Load) -> Iterator[EventPage]:
    """Yield the pages of an earlier run up to the first that is broken, and remove the others."""
    if not load.is_resumed:
        return
    count = 0
    for page in load.pages:
        if page.file != name_file(count + 1):
            break
        try:
            body = load.read_page(page)  # checks the sha256
            kept = parse_page(body)
        except (BrokenFileError, MalformedBodyError):
            break
        if describe_page(page.file, body, kept.rows, page.sha256) != page or kept.next_cursor is None:
            break
        count += 1
        yield kept
    if count:
        load.keep_first(count)
    else:
        load.restart(load.walk.earlier)


def fetch_pages(api: FalApi, params: Params, followed: Sequence[str] = ()) -> Iterator[EventPage]:
    """Yield the pages of a window, at least one. followed: cursors of pages that are not fetched again.

    Raises EndlessError after api.max_pages.
    """
    seen = set(followed)
    cursor = followed[-1] if followed else None
    while True:
        if len(seen) >= api.max_pages:
            raise EndlessError(
                f"{Request(PATH, params)}: it has more than {api.max_pages:,} pages, and none of it was "
                f"landed; if that can be right, raise --page-size or FAL_MAX_PAGES (at most {MOST_PAGES:,})"
            )
        page_params = {**params, "cursor": cursor} if cursor else params
        page = api.get(PATH, page_params, partial(accept_page, seen=seen))
        cursor = page.next_cursor
        yield page
        del page
        if cursor is None:
            return
        seen.add(cursor)


def accept_page(body: Body, seen: Collection[str]) -> EventPage:
    """Return the page of a body. Raises MalformedBodyError, also if its cursor was seen before."""
    page = parse_page(body.content)
    if page.next_cursor in seen:
        raise MalformedBodyError("its next_cursor was there before, so the pages would never end")
    return replace(page, gzipped=body.gzipped)


def sample_events(events: Sequence[T]) -> Iterator[T]:
    """Yield enough events of a page to detect moved rows: all of a small page, a third of a full one.

    Rows that move stay together, so repeated rows come first on the next page. They were the last rows of a
    page, or so many in a row that every tenth is enough to recognize them. Rows of the same time may also
    change places, which at the border of two pages repeats one of them.
    """
    return chain(events[:BORDER], events[BORDER:-BORDER:10], events[BORDER:][-BORDER:])


class RecentEvents(Generic[H]):
    """The hashes or digests of at least the last REMEMBERED events, in bounded memory."""

    def __init__(self) -> None:
        self._sets: deque[set[H]] = deque([set()])

    def add(self, events: set[H]) -> set[H]:
        """Add the events of a page, and return those that are new."""
        new = events
        for known in self._sets:
            if not known.isdisjoint(new):
                new = new - known
        if len(self._sets[-1]) + len(events) <= REMEMBERED // 5:
            self._sets[-1] |= events  # small pages share a set
        else:
            self._sets.append(events)
        while sum(map(len, self._sets)) - len(self._sets[0]) >= REMEMBERED:
            self._sets.popleft()
        return new


class RepeatDetector:
    """Detects events that are on two pages of a window, and pages without new events."""

    def __init__(self, request: Params) -> None:
        self.has_repeats = False
        self._request = request
        self._recent = RecentEvents[int]()
        self._stale_pages = 0

    def check(self, page: EventPage) -> None:
        """Compare a page with those before it. Raises EndlessError after MOST_STALE_PAGES."""
        events = set(map(hash, map(bytes, sample_events(page.events))))
        new = self._recent.add(events)
        self.has_repeats |= len(new) < len(events)
        self._stale_pages = 0 if new else self._stale_pages + 1
        if self._stale_pages > MOST_STALE_PAGES and page.next_cursor is not None:
            raise EndlessError(
                f"{Request(PATH, self._request)}: {self._stale_pages} pages in a row had no new event, and "
                "may never end; none of it was landed, run it again later"
            )


def digest_events(load: Load) -> str:
    """Return a digest of the events of a load that ignores their order and repeats."""
    recent, count, total = RecentEvents[bytes](), 0, 0
    for page in load.pages:
        events = parse_page(load.read_page(page)).events
        new = recent.add({blake2b(event, digest_size=16).digest() for event in events})
        count += len(new)
        total += sum(int.from_bytes(digest) for digest in new)
    return f"{count}-{total % 2**128:032x}"


def name_file(number: int) -> str:
    """Return the file name of a page, counted from 1."""
    return f"page-{number:05}.json.gz"


def parse_page(body: bytes) -> EventPage:
    """Parse the envelope of a page, without decoding its events. Raises MalformedBodyError."""
    try:
        check_utf8(body)  # the decoder does not check it
        envelope, text = _decode_envelope(body)
        may_have_two_lists = _may_have_two_lists(text, envelope.billing_events)
        names = _list_names(body) if may_have_two_lists else []
    except (ValueError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise MalformedBodyError("it has no list of billing_events") from None
        raise MalformedBodyError("it is not complete JSON") from None
    if names.count("billing_events") > 1:
        raise MalformedBodyError("it has billing_events twice, and JSON readers differ in which one they use")
    has_more, cursor = _decode_field(envelope.has_more, bool), _decode_field(envelope.next_cursor, str)
    if has_more is None:
        raise MalformedBodyError("has_more is neither true nor false")
    if has_more and not cursor:
        raise MalformedBodyError("has_more is true, but there is no next_cursor")
    if has_more and cursor and len(cursor.encode()) > LONGEST_CURSOR:
        raise MalformedBodyError(f"its next_cursor is over the limit of {LONGEST_CURSOR:,} bytes")
    return EventPage(body, envelope.billing_events, cursor if has_more else None)


def split_window(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Split a window into windows of at most LONGEST_WINDOW, newest first, the order of the API's events."""
    pieces = []
    while start < end:
        pieces.append((max(start, end - LONGEST_WINDOW), end))
        end -= LONGEST_WINDOW
    return pieces


def check_utf8(body: bytes) -> None:
    """Raise UnicodeDecodeError, a ValueError, if a body is not UTF-8."""
    if body.isascii():
        return
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(body)
    for start in range(0, len(body), UTF8_PIECE):
        decoder.decode(view[start : start + UTF8_PIECE])
    decoder.decode(b"", final=True)


def _decode_envelope(body: bytes) -> tuple[Envelope, bytes]:
    """Return the envelope, and the text that was decoded.

    Half a surrogate pair is valid JSON that msgspec rejects, so U+FFFD replaces it in the text.
    """
    try:
        return ENVELOPE.decode(body), body
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        text = SURROGATES.sub(_replace_half, body)
        return ENVELOPE.decode(text), text


def _may_have_two_lists(text: bytes, events: Sequence[msgspec.Raw]) -> bool:
    """Return whether the envelope may have billing_events twice; False is certain.

    text: the text that the events were decoded from. In compact JSON, only commas separate events. If the
    bytes from the first event to the last are exactly those of the events and commas, the function searches
    only the rest of the page. Searching a whole page takes three times as long. An escape for a letter of the
    name may hide one.
    """
    parts = [text]
    if events:
        start, end = text.find(events[0]), text.rfind(events[-1]) + len(events[-1])
        if end - start == sum(map(len, events)) + len(events) - 1:
            parts = [text[:start], text[end:]]
    return sum(part.count(NAME) for part in parts) > 1 or any(map(ESCAPED_LETTER.search, parts))


def _list_names(body: bytes) -> list[str]:
    """Return the field names of the envelope in order, with repeats."""
    return [name for name, _ in json.loads(body, object_pairs_hook=list, parse_int=str)]


def _decode_field(raw: msgspec.Raw, kind: type[T]) -> T | None:
    """Decode a field of the envelope; None if it has another type."""
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.ValidationError:
        return None


def _replace_half(found: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if found["half"] else found[0]
