"""Billing events: the page envelope, the walk from page to page, a landed day, an ad hoc pull."""

import codecs
import json
import re
from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from hashlib import blake2b
from itertools import chain
from typing import Generic, TypeVar

import msgspec

from loaders import clock
from loaders.api import FalApi, Params, described
from loaders.body import Body, MalformedBodyError
from loaders.errors import (
    BrokenFileError,
    EndlessError,
    MisdirectedError,
    RejectedError,
    UnauthorizedError,
)
from loaders.landing import LandingZone, Load, Manifest, Partition
from loaders.settings import MOST_PAGES

NAME = b'"billing_events"'
PATH = "/models/billing-events"
DEFAULT_PAGE_SIZE = 10_000
LONGEST_WINDOW = timedelta(days=90)  # the API takes no longer one in a request
MOST_IDS = 50
MOST_WALKS = 3
MOST_STALE_PAGES = 100  # in a row, without an event that is new
REMEMBERED = 20_000  # events; rows move by less between one page and the next
BORDER = 1000  # events at either end of a page that are all looked at
UTF8_PIECE = 2**16  # bytes decoded at once: a whole page as text would take up to four times its bytes
LINE_BREAK = re.compile(rb"[\r\n]+[ \t\r\n]*")
# an escaped backslash, a whole pair of surrogates, or half of one
SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})", re.DOTALL
)

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


class Envelope(msgspec.Struct):
    """What a page must have. Raw: checked to be JSON, but not read."""

    billing_events: list[msgspec.Raw]
    has_more: msgspec.Raw = msgspec.Raw(b"null")
    next_cursor: msgspec.Raw = msgspec.Raw(b"null")


ENVELOPE = msgspec.json.Decoder(Envelope)


@dataclass(frozen=True)
class EventPage:
    """A page as it came, the text of each of its events, and the cursor of the page after it.

    gzipped: the bytes of the body that came over the wire, see `Body`.
    """

    body: bytes
    events: list[msgspec.Raw]
    next_cursor: str | None
    gzipped: bytes | None = None

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
        return load.publish(agreed=walk(api, load))


def walk(api: FalApi, load: Load) -> bool | None:
    """Fetch every page of a load, and all of them again while rows still move from page to page.

    An event that comes twice tells of another that was put before it, maybe on a page that had been read. So
    a day that is over is walked until two walks hold the same events, at most three times, and the last
    walk lands: it has what came in during those before it. Returns whether the last two agreed, None when
    one was enough, as it is for a day that is not over: its rows move anyway.
    """
    while True:
        has_repeats = walk_once(api, load)
        earlier = load.walk.earlier
        if not load.complete or not (has_repeats or earlier):
            return None
        digest = digest_of(load)
        agreed = digest in earlier[-1:]
        if agreed or len(earlier) + 1 == MOST_WALKS:
            return agreed
        load.begin_again((*earlier, digest))


def walk_once(api: FalApi, load: Load) -> bool:
    """Fetch the pages that a load lacks; whether any event came on two pages.

    It goes on where an earlier run stopped. Should fal refuse that, the day begins anew. EndlessError, also
    after MOST_STALE_PAGES, leaves no page behind.
    """
    watch, cursors = Watch(load.walk.request), list[str]()
    try:
        for page in kept_pages(load):
            watch.look_at(page)
            cursors += [page.next_cursor] if page.next_cursor else []
        for page in pages(api, load.walk.request, cursors):
            load.add(file_of(len(load.pages) + 1), page.body, page.rows, page.gzipped)
            if page.next_cursor is not None:
                load.keep()
            watch.look_at(page)
            del page  # before the next one comes: two at once would be most of what a load takes
    except (UnauthorizedError, MisdirectedError):
        raise
    except EndlessError:
        load.begin_again()
        raise
    except RejectedError:
        if not load.is_resumed:
            raise
        load.begin_again()
        return walk_once(api, load)
    return watch.has_repeats


def kept_pages(load: Load) -> Iterator[EventPage]:
    """The pages that an earlier run left, up to the first that is not whole; the load forgets the others."""
    if not load.is_resumed:
        return
    count = 0
    for page in load.pages:
        if page.file != file_of(count + 1):
            break
        try:
            kept = parse_page(load.body(page))
        except (BrokenFileError, MalformedBodyError):
            break
        if kept.rows != page.rows or kept.next_cursor is None:
            break
        count += 1
        yield kept
    if count:
        load.keep_only(count)
    else:
        load.begin_again(load.walk.earlier)


def pages(api: FalApi, params: Params, followed: Sequence[str] = ()) -> Iterator[EventPage]:
    """Every page of a window, or those after the cursors followed already; at least one, perhaps empty.

    EndlessError when there are more than api.max_pages.
    """
    seen = set(followed)
    cursor = followed[-1] if followed else None

    def accept(body: Body) -> EventPage:
        page = parse_page(body.content)
        if page.next_cursor in seen:
            raise MalformedBodyError("its next_cursor was there before, so the pages would never end")
        return replace(page, gzipped=body.gzipped)

    while True:
        if len(seen) >= api.max_pages:
            raise EndlessError(
                f"{described(PATH, params)}: it has more than {api.max_pages:,} pages, and nothing of it was "
                f"landed; if that can be right, raise --page-size or FAL_MAX_PAGES (at most {MOST_PAGES:,})"
            )
        page = api.get(PATH, {**params, "cursor": cursor} if cursor else params, accept)
        cursor = page.next_cursor
        yield page
        del page
        if cursor is None:
            return
        seen.add(cursor)


def telling(events: Sequence[T]) -> Iterator[T]:
    """The events of a page that tell whether rows have moved: all of a small one, a third of a full one.

    Rows that move stay together: those that were read already come first on the next page, and were either
    the last ones of a page or so many in a row that every tenth is enough to know them by. Rows of one time
    may also change places, which at the border of two pages repeats one of them.
    """
    return chain(events[:BORDER], events[BORDER:-BORDER:10], events[BORDER:][-BORDER:])


class Recent(Generic[H]):
    """What the events that came last are known by: of REMEMBERED events at least, however many come."""

    def __init__(self) -> None:
        self._sets: deque[set[H]] = deque([set()])

    def unseen(self, events: set[H]) -> set[H]:
        """Those of a page's events that are not among them; from now on they are."""
        unseen = events
        for some in self._sets:
            if not some.isdisjoint(unseen):
                unseen = unseen - some
        if len(self._sets[-1]) + len(events) <= REMEMBERED // 5:
            self._sets[-1] |= events  # few sets, however small the pages are
        else:
            self._sets.append(events)
        while sum(map(len, self._sets)) - len(self._sets[0]) >= REMEMBERED:
            self._sets.popleft()
        return unseen


class Watch:
    """Whether the pages of a window repeat events, and whether they bring new ones at all."""

    def __init__(self, request: Params) -> None:
        self.has_repeats = False
        self._request = request
        self._recent = Recent[int]()
        self._stale_pages = 0

    def look_at(self, page: EventPage) -> None:
        """Compare a page with those before it. EndlessError after MOST_STALE_PAGES without a new event."""
        events = set(map(hash, map(bytes, telling(page.events))))
        unseen = self._recent.unseen(events)
        self.has_repeats |= len(unseen) < len(events)
        self._stale_pages = 0 if unseen else self._stale_pages + 1
        if self._stale_pages > MOST_STALE_PAGES and page.next_cursor is not None:
            raise EndlessError(
                f"{described(PATH, self._request)}: {self._stale_pages} pages in a row had no new event, and "
                "may never end; nothing of it was landed, run it again later"
            )


def digest_of(load: Load) -> str:
    """A digest of the events of a load, the same in whatever order and however often repeated they come."""
    recent, count, total = Recent[bytes](), 0, 0
    for page in load.pages:
        events = parse_page(load.body(page)).events
        unseen = recent.unseen({blake2b(event, digest_size=16).digest() for event in events})
        count += len(unseen)
        total += sum(int.from_bytes(digest) for digest in unseen)
    return f"{count}-{total % 2**128:032x}"


def file_of(number: int) -> str:
    """The file of a page, counted from 1."""
    return f"page-{number:05}.json.gz"


def parse_page(body: bytes) -> EventPage:
    """Check the envelope. MalformedBodyError says what is wrong with it; the events are not looked into."""
    try:
        check_utf8(body)  # which the decoder leaves unchecked
        envelope, text = _envelope(body)
    except (ValueError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            raise MalformedBodyError("it has no list of billing_events") from None
        raise MalformedBodyError("it is not whole JSON") from None
    if _may_have_two_lists(text, envelope.billing_events) and _names(body).count("billing_events") > 1:
        raise MalformedBodyError("it has billing_events twice, and readers differ in which they take")
    has_more, cursor = _member(envelope.has_more, bool), _member(envelope.next_cursor, str)
    if has_more is None:
        raise MalformedBodyError("has_more is neither true nor false")
    if has_more and not cursor:
        raise MalformedBodyError("has_more is true, but there is no next_cursor")
    return EventPage(body, envelope.billing_events, cursor if has_more else None)


def windows(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """A window cut into pieces the API takes, newest first as it lists events."""
    pieces = []
    while start < end:
        pieces.append((max(start, end - LONGEST_WINDOW), end))
        end -= LONGEST_WINDOW
    return pieces


def check_utf8(body: bytes) -> None:
    """UnicodeDecodeError, a ValueError, when a body is not UTF-8."""
    if body.isascii():
        return
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(body)
    for start in range(0, len(body), UTF8_PIECE):
        decoder.decode(view[start : start + UTF8_PIECE])
    decoder.decode(b"", final=True)


def _envelope(body: bytes) -> tuple[Envelope, bytes]:
    """The envelope, and the text that it was decoded from.

    Half a surrogate pair, which JSON allows and msgspec does not, is replaced by U+FFFD.
    """
    try:
        return ENVELOPE.decode(body), body
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        text = SURROGATES.sub(_whole, body)
        return ENVELOPE.decode(text), text


def _may_have_two_lists(text: bytes, events: Sequence[msgspec.Raw]) -> bool:
    """Whether the envelope may have billing_events twice; False is certain.

    `text` is what the events were decoded from. In compact JSON, only commas separate them: if the bytes from
    the first event to the last are as many as those of all events and commas, only the rest is searched.
    Searching a whole page takes three times as long.
    """
    if events:
        start, end = text.find(events[0]), text.rfind(events[-1]) + len(events[-1])
        if end - start == sum(map(len, events)) + len(events) - 1:
            return text.count(NAME, 0, start) + text.count(NAME, end) > 1
    return text.count(NAME) > 1


def _names(body: bytes) -> list[str]:
    """The names of the members of the envelope, in order, with those that come again."""
    return [name for name, _ in json.loads(body, object_pairs_hook=list)]


def _member(written: msgspec.Raw, kind: type[T]) -> T | None:
    """A member of the envelope, or None when it is missing or of another kind."""
    try:
        return msgspec.json.decode(written, type=kind)
    except msgspec.ValidationError:
        return None


def _whole(found: re.Match[bytes]) -> bytes:
    return b"\\ufffd" if found["half"] else found[0]
