"""The walk from page to page of a load: resumed, bounded, and repeated while rows move."""

from collections import deque
from collections.abc import Hashable, Iterator, Sequence
from hashlib import blake2b
from itertools import chain
from typing import Generic, TypeVar

from loaders.api import FalApi, Request
from loaders.body import MalformedBodyError
from loaders.errors import (
    BrokenFileError,
    EndlessError,
    MisdirectedError,
    RejectedError,
    UnauthorizedError,
)
from loaders.landing import Load, describe_page
from loaders.pages import Listing, Page, fetch_pages, parse_page, split_request

MOST_WALKS = 3
MOST_STALE_PAGES = 100  # in a row, without a new row
REMEMBERED = 20_000  # rows; they move by less between two pages
BORDER = 1000  # rows at either end of a page that are all compared

T = TypeVar("T")
H = TypeVar("H", bound=Hashable)


def walk(api: FalApi, listing: Listing, load: Load) -> bool | None:
    """Fetch the pages of a load, and repeat that while rows move from page to page.

    A repeated row means that another row was inserted before it, maybe on a page that was already fetched.
    A day that is over is therefore walked until two walks in a row hold the same rows, at most MOST_WALKS
    times. The last walk lands, since it includes rows that arrived during the others. Returns whether the
    last two walks agreed. Returns None after a single walk, as for a day that is not over, whose rows move
    anyway.
    """
    while True:
        has_repeats = walk_once(api, listing, load)
        earlier = load.walk.earlier
        if not load.complete or not (has_repeats or earlier):
            return None
        digest = digest_rows(listing, load)
        agreed = digest in earlier[-1:]
        if agreed or len(earlier) + 1 == MOST_WALKS:
            return agreed
        load.restart((*earlier, digest))


def walk_once(api: FalApi, listing: Listing, load: Load) -> bool:
    """Fetch the missing pages of a load; return whether a row is on two pages.

    Continues after the pages of an earlier run. If fal rejects their cursor, all pages are fetched again.
    """
    try:
        return _fetch_missing_pages(api, listing, load)
    except (UnauthorizedError, MisdirectedError):
        raise
    except RejectedError:
        if not load.is_resumed:
            raise
    load.restart()
    return _fetch_missing_pages(api, listing, load)


def _fetch_missing_pages(api: FalApi, listing: Listing, load: Load) -> bool:
    """Fetch the missing pages; return whether a row is on two pages. An EndlessError removes all pages."""
    detector, cursors = RepeatDetector(Request(listing.path, load.walk.request)), list[str]()
    requests = deque(split_request(load.walk.request))
    try:
        for page in resume_pages(listing, load):
            detector.check(page)
            if page.next_cursor:
                cursors.append(page.next_cursor)
            else:
                cursors = []
                requests.popleft()
        while requests:
            request, before = requests.popleft(), len(load.pages) - len(cursors)
            for page in fetch_pages(api, listing, request, cursors, before):
                load.add_page(name_file(len(load.pages) + 1), page.body, page.rows, page.gzipped)
                if page.next_cursor is not None or requests:
                    load.record_page()
                detector.check(page)
                del page  # frees its memory, most of what a load takes, before the next page arrives
            cursors = []
    except EndlessError:
        load.restart()
        raise
    return detector.has_repeats


def resume_pages(listing: Listing, load: Load) -> Iterator[Page]:
    """Yield the pages of an earlier run up to the first that is broken, and remove the others."""
    if not load.is_resumed:
        return
    count, requests = 0, len(split_request(load.walk.request))
    for page in load.pages:
        if page.file != name_file(count + 1):
            break
        try:
            body = load.read_page(page)  # checks the sha256
            kept = parse_page(listing, body)
        except (BrokenFileError, MalformedBodyError):
            break
        requests -= kept.next_cursor is None
        # the last page of a load is never recorded
        if describe_page(page.file, body, kept.rows, page.sha256) != page or not requests:
            break
        count += 1
        yield kept
    if count:
        load.keep_first(count)
    else:
        load.restart(load.walk.earlier)


def sample_rows(rows: Sequence[T]) -> Iterator[T]:
    """Yield enough rows of a page to detect moved ones: all of a small page, a third of a full one.

    Rows that move stay together, so repeated rows come first on the next page. They were the last rows of a
    page, or so many in a row that every tenth is enough to recognize them. Rows of the same time may also
    change places, which at the border of two pages repeats one of them.
    """
    return chain(rows[:BORDER], rows[BORDER:-BORDER:10], rows[BORDER:][-BORDER:])


class RecentRows(Generic[H]):
    """The hashes or digests of at least the last REMEMBERED rows, in bounded memory."""

    def __init__(self) -> None:
        self._sets: deque[set[H]] = deque([set()])

    def add(self, rows: set[H]) -> set[H]:
        """Add the rows of a page, and return those that are new."""
        new = rows
        for known in self._sets:
            if not known.isdisjoint(new):
                new = new - known
        if len(self._sets[-1]) + len(rows) <= REMEMBERED // 5:
            self._sets[-1] |= rows  # small pages share a set
        else:
            self._sets.append(rows)
        while sum(map(len, self._sets)) - len(self._sets[0]) >= REMEMBERED:
            self._sets.popleft()
        return new


class RepeatDetector:
    """Detects rows that are on two pages of a load, and pages without new rows."""

    def __init__(self, request: Request) -> None:
        self.has_repeats = False
        self._request = request
        self._recent = RecentRows[int]()
        self._stale_pages = 0

    def check(self, page: Page) -> None:
        """Compare a page with those before it. Raises EndlessError after MOST_STALE_PAGES."""
        rows = set(map(hash, map(bytes, sample_rows(page.items))))
        new = self._recent.add(rows)
        self.has_repeats |= len(new) < len(rows)
        self._stale_pages = 0 if new else self._stale_pages + 1
        if self._stale_pages > MOST_STALE_PAGES and page.next_cursor is not None:
            raise EndlessError(
                f"{self._request}: {self._stale_pages} pages in a row had no new row, and "
                "may never end; none of it was landed, run it again later"
            )


def digest_rows(listing: Listing, load: Load) -> str:
    """Return a digest of the rows of a load that ignores their order and repeats."""
    recent, count, total = RecentRows[bytes](), 0, 0
    for page in load.pages:
        rows = parse_page(listing, load.read_page(page)).items
        new = recent.add({blake2b(row, digest_size=16).digest() for row in rows})
        count += len(new)
        total += sum(int.from_bytes(digest) for digest in new)
    return f"{count}-{total % 2**128:032x}"


def name_file(number: int) -> str:
    """Return the file name of a page, counted from 1."""
    return f"page-{number:05}.json.gz"
