"""Pages of a list endpoint: the envelope, and the way from page to page."""

import codecs
import json
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, TypeVar

import msgspec

from loaders.api import FalApi, Params, Request
from loaders.body import Body, MalformedBodyError
from loaders.errors import EndlessError
from loaders.settings import MOST_PAGES

MOST_IDS = 50  # endpoint ids of a request
UNKNOWN = "unknown"  # the field of a recorded request with endpoints that are not requested
LONGEST_CURSOR = 8192  # bytes; percent-encoded, a longer one may exceed the 64 KB that an address may have
UTF8_PIECE = 2**16  # bytes decoded at once: as text, a whole page takes up to four times its bytes
LINE_BREAK = re.compile(rb"[\r\n]+[ \t\r\n]*")
# an escaped backslash, a surrogate pair, or half of one
SURROGATES = re.compile(
    rb"\\\\|\\u[dD][89abAB]..\\u[dD][c-fC-F]..|(?P<half>\\u[dD][89a-fA-F][0-9a-fA-F]{2})", re.DOTALL
)

T = TypeVar("T")


class Envelope(msgspec.Struct):
    """The fields of a page that loaders use. Raw values are checked to be JSON, but not decoded."""

    items: Any
    has_more: msgspec.Raw = msgspec.Raw(b"null")
    next_cursor: msgspec.Raw = msgspec.Raw(b"null")


@dataclass(frozen=True)
class Listing:
    """A call whose answer has rows in a field.

    nested: the field of each item with the rows, if items group rows. is_list: whether the field is a list,
    which has pages; otherwise, it is an object, which counts as one row.
    """

    path: str
    field: str
    nested: str | None = None
    is_list: bool = True

    @cached_property
    def decoder(self) -> msgspec.json.Decoder[Envelope]:
        """The decoder of the envelope."""
        return make_decoder(self.field, list[msgspec.Raw] if self.is_list else msgspec.Raw)

    @cached_property
    def nested_decoder(self) -> msgspec.json.Decoder[Envelope]:
        """The decoder of an item that groups rows."""
        return make_decoder(self.nested or self.field, list[msgspec.Raw])

    @cached_property
    def escaped_letter(self) -> re.Pattern[bytes]:
        """An escape for a letter of the field, which may hide its name."""
        codes = "|".join(sorted({f"{ord(letter):02x}" for letter in self.field}))
        return re.compile(rf"\\u00(?i:{codes})".encode())


def make_decoder(field: str, kind: Any) -> msgspec.json.Decoder[Envelope]:  # noqa: ANN401  # a type
    """Return a decoder of an envelope whose items are in a field."""
    envelope = msgspec.defstruct("Page", [("items", kind)], bases=(Envelope,), rename={"items": field})
    return msgspec.json.Decoder(envelope)


@dataclass(frozen=True)
class Page:
    """A page: its body, the JSON text of each row, and the cursor of the next page. gzipped: see Body."""

    body: bytes
    items: list[msgspec.Raw]
    next_cursor: str | None
    gzipped: bytes | None = None

    @property
    def rows(self) -> int:
        """The number of rows."""
        return len(self.items)

    @property
    def lines(self) -> Iterator[bytes]:
        """Each row as one line of JSON; numbers keep their digits."""
        for item in self.items:
            yield LINE_BREAK.sub(b" ", bytes(item))  # strings in JSON contain no line breaks


def split_request(request: Params) -> list[Params]:
    """Return the requests of a load: one, or one for each MOST_IDS endpoint ids. request: as recorded."""
    sent = {name: value for name, value in request.items() if name != UNKNOWN}
    ids = sent.get("endpoint_id")
    if not isinstance(ids, list) or len(ids) <= MOST_IDS:
        return [sent]
    return [{**sent, "endpoint_id": some} for some in split_ids(ids)]


def split_ids(ids: list[str]) -> list[list[str]]:
    """Return the endpoint ids of each request."""
    return [ids[start : start + MOST_IDS] for start in range(0, len(ids), MOST_IDS)]


def fetch_pages(
    api: FalApi, listing: Listing, params: Params, followed: Sequence[str] = (), before: int = 0
) -> Iterator[Page]:
    """Yield the pages of a request, at least one.

    followed: cursors of pages that are not fetched again. before: pages of other requests of the same load.
    Raises EndlessError after api.max_pages.
    """
    seen = set(followed)
    cursor = followed[-1] if followed else None
    while True:
        if before + len(seen) >= api.max_pages:
            setting = "--page-size or FAL_MAX_PAGES" if "limit" in params else "FAL_MAX_PAGES"
            raise EndlessError(
                f"{Request(listing.path, params)}: it has more than {api.max_pages:,} pages, and none of it "
                f"was landed; if that can be right, raise {setting} (at most {MOST_PAGES:,})"
            )
        page_params = {**params, "cursor": cursor} if cursor else params
        page = api.get(listing.path, page_params, partial(accept_page, listing=listing, seen=seen))
        cursor = page.next_cursor
        yield page
        del page
        if cursor is None:
            return
        seen.add(cursor)


def accept_page(body: Body, listing: Listing, seen: Collection[str]) -> Page:
    """Return the page of a body. Raises MalformedBodyError, also if its cursor was seen before."""
    page = parse_page(listing, body.content)
    if page.next_cursor in seen:
        raise MalformedBodyError("its next_cursor was there before, so the pages would never end")
    return replace(page, gzipped=body.gzipped)


def parse_page(listing: Listing, body: bytes) -> Page:
    """Parse the envelope of a page, without decoding its rows. Raises MalformedBodyError."""
    field = listing.field
    try:
        check_utf8(body)  # the decoder does not check it
        envelope, text = _decode_envelope(listing.decoder, body)
        items: list[msgspec.Raw] = envelope.items if listing.is_list else [envelope.items]
        names = _list_names(body) if _may_have_two(listing, text, items) else []
        rows = _flatten(listing, items) if listing.nested else items
    except (ValueError, RecursionError) as error:
        if isinstance(error, msgspec.ValidationError):
            what = f"list of {field}" if listing.is_list else field
            raise MalformedBodyError(f"it has no {what}") from None
        raise MalformedBodyError("it is not complete JSON") from None
    if names.count(field) > 1:
        raise MalformedBodyError(f"it has {field} twice, and JSON readers differ in which one they use")
    return Page(body, rows, _read_cursor(envelope) if listing.is_list else None)


def check_utf8(body: bytes) -> None:
    """Raise UnicodeDecodeError, a ValueError, if a body is not UTF-8."""
    if body.isascii():
        return
    decoder, view = codecs.getincrementaldecoder("utf-8")(), memoryview(body)
    for start in range(0, len(body), UTF8_PIECE):
        decoder.decode(view[start : start + UTF8_PIECE])
    decoder.decode(b"", final=True)


def _decode_envelope(decoder: msgspec.json.Decoder[Envelope], body: bytes) -> tuple[Envelope, bytes]:
    """Return the envelope, and the text that was decoded.

    Half a surrogate pair is valid JSON that msgspec rejects, so U+FFFD replaces it in the text.
    """
    try:
        return decoder.decode(body), body
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        text = SURROGATES.sub(_replace_half, body)
        return decoder.decode(text), text


def _flatten(listing: Listing, items: Sequence[msgspec.Raw]) -> list[msgspec.Raw]:
    """Return the rows of all items that group them."""
    return [row for item in items for row in listing.nested_decoder.decode(item).items]


def _read_cursor(envelope: Envelope) -> str | None:
    """Return the cursor of the next page, or None after the last one. Raises MalformedBodyError."""
    has_more, cursor = _decode_field(envelope.has_more, bool), _decode_field(envelope.next_cursor, str)
    if has_more is None:
        raise MalformedBodyError("has_more is neither true nor false")
    if not has_more:
        return None
    if not cursor:
        raise MalformedBodyError("has_more is true, but there is no next_cursor")
    if len(cursor.encode()) > LONGEST_CURSOR:
        raise MalformedBodyError(f"its next_cursor is over the limit of {LONGEST_CURSOR:,} bytes")
    return cursor


def _may_have_two(listing: Listing, text: bytes, items: Sequence[msgspec.Raw]) -> bool:
    """Return whether the envelope may have the field twice; False is certain.

    text: the text that the items were decoded from. In compact JSON, only commas separate items. If the bytes
    from the first item to the last are exactly those of the items and commas, the function searches only the
    rest of the page. Searching a whole page takes three times as long. An escape for a letter of the name may
    hide one.
    """
    parts, name = [text], f'"{listing.field}"'.encode()
    if items:
        start, end = text.find(items[0]), text.rfind(items[-1]) + len(items[-1])
        if end - start == sum(map(len, items)) + len(items) - 1:
            parts = [text[:start], text[end:]]
    return sum(part.count(name) for part in parts) > 1 or any(map(listing.escaped_letter.search, parts))


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
