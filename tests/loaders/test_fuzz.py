"""Any bytes from outside give a clean error or a correct result."""

import csv
import gzip
import io
import json
import re
from datetime import UTC, datetime
from email.utils import format_datetime
from math import inf
from operator import itemgetter

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from loaders import clock
from loaders.billing_events import EVENTS
from loaders.body import Body, MalformedBodyError, read_body
from loaders.focus_reports import NEEDED_COLUMNS, Report, accept_report
from loaders.pages import Page, parse_page
from loaders.retries import read_retry_after
from tests.loaders.conftest import Wire

pytestmark = pytest.mark.slow


def parse(body: bytes) -> Page | None:
    """Return the page, or None if it is refused."""
    try:
        return parse_page(EVENTS, body)
    except MalformedBodyError:
        return None


def parse_csv(body: bytes) -> Report | None:
    """Return the report, or None if it is refused."""
    try:
        return accept_report(Body(body))
    except MalformedBodyError:
        return None


# ---------------------------------------------------------------- gzip

CONTENTS = st.binary(max_size=50)
MEMBERS = st.lists(CONTENTS.map(gzip.compress), min_size=1, max_size=3).map(b"".join)


def decompress(wire: bytes) -> Body | None:
    """Return the body, or None if it is refused."""
    try:
        return read_body(httpx.Response(200, headers={"Content-Encoding": "gzip"}, stream=Wire([wire])), inf)
    except MalformedBodyError:
        return None


@given(wire=MEMBERS, at=st.integers(0, 200), changed=st.binary(max_size=3), to_end=st.booleans())
def test_any_gzip_is_decoded_as_by_the_standard_library_or_refused(
    wire: bytes, at: int, changed: bytes, to_end: bool
) -> None:
    wire = wire[:at] + changed + (b"" if to_end else wire[at + len(changed) :])
    body = decompress(wire)
    if body:
        assert body.content == gzip.decompress(wire)
        assert body.gzipped in (wire, None)


# ---------------------------------------------------------------- the page envelope

NUMBERS = (
    st.sampled_from(["3.33e-05", "0.1234567890123456789", "12345678901234567890", "-0.0", "1E400"])
    | st.integers(-(10**25), 10**25).map(str)
    | st.decimals(allow_nan=False, allow_infinity=False).map(str)
)
STRINGS = st.text(max_size=9).map(json.dumps) | st.sampled_from(
    ['"\\ud83d\\ude80"', '"\\/"', '"\\u0000"', '"]}"']
)
SCALARS = NUMBERS | STRINGS | st.sampled_from(["null", "true", "false"])
SPACES = st.sampled_from(["", "", " ", "\n", "\r\n\t"])


def join(left: str, members: list[str], right: str, space: str) -> str:
    """Join the members of a list or an object, with spaces."""
    return f"{left}{space}{f'{space},{space}'.join(members)}{space}{right}"


def nested(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return a strategy for lists and objects of values."""
    lists = st.lists(values, max_size=3)
    pairs = st.lists(st.tuples(STRINGS, values).map(":".join), max_size=3)
    return st.builds(join, st.just("["), lists, st.just("]"), SPACES) | st.builds(
        join, st.just("{"), pairs, st.just("}"), SPACES
    )


VALUES = st.recursive(SCALARS, nested, max_leaves=4)
EVENT_LISTS = st.builds(join, st.just("["), st.lists(VALUES, max_size=3), st.just("]"), SPACES)
FIELDS = st.sampled_from(['"billing_events"', '"has_more"', '"next_cursor"', '"request_cost"'])
ENVELOPES = st.builds(
    join,
    st.just("{"),
    # JSON does not define which of two fields of the same name counts
    st.lists(st.tuples(FIELDS, VALUES | EVENT_LISTS), max_size=4, unique_by=itemgetter(0)).map(
        lambda fields: [":".join(field) for field in fields]
    ),
    st.just("}"),
    SPACES,
)
PAGES = st.builds(
    lambda cursor, more, events, space: join(
        "{",
        [
            f'"next_cursor":{json.dumps(cursor)}',
            f'"has_more":{json.dumps(cursor is not None)}',
            *more,
            events,
        ],
        "}",
        space,
    ),
    st.none() | st.text(min_size=1, max_size=9),
    st.lists(VALUES.map('"more":{}'.format), max_size=1),
    EVENT_LISTS.map('"billing_events":{}'.format),
    SPACES,
)


def read_with_json(body: bytes) -> tuple[list[object], str | None] | None:
    """Return events and next cursor from the standard library, numbers as text; None for an invalid page."""
    try:
        page = json.loads(body.decode(), parse_int=str, parse_float=str, parse_constant=_refuse)
        events, has_more, cursor = page["billing_events"], page["has_more"], page.get("next_cursor")
    except (ValueError, TypeError, LookupError, RecursionError):
        return None
    if not isinstance(events, list) or not isinstance(has_more, bool):
        return None
    if has_more and not (isinstance(cursor, str) and cursor):
        return None
    return events, cursor if has_more else None


def _refuse(name: str) -> None:
    raise ValueError(name)


def read_back(page: Page) -> list[object]:
    """Parse the lines of a page."""
    return [json.loads(line, parse_int=str, parse_float=str) for line in page.lines]


@given(body=st.binary(max_size=200) | st.text(max_size=100).map(str.encode) | ENVELOPES.map(str.encode))
@example(body=b'{"billing_events":[],"has_more":false}')
@example(body=b"\xef\xbb\xbf{}")
@example(body=b"[" * 100_000)
@example(body=b'{"billing_events":' + b"[" * 100_000)
def test_any_bytes_are_a_page_or_are_refused(body: bytes) -> None:
    page, expected = parse(body), read_with_json(body)
    assert (page is None) == (expected is None)
    if page and expected:
        assert (page.body, page.rows, page.next_cursor) == (body, len(expected[0]), expected[1])
        assert read_back(page) == expected[0]


@given(page=PAGES)
def test_any_written_page_is_read_back(page: str) -> None:
    body = page.encode()
    expected = read_with_json(body)
    got = parse(body)
    assert expected is not None and got is not None
    assert (got.rows, got.next_cursor) == (len(expected[0]), expected[1])
    assert read_back(got) == expected[0]
    assert all(b"\n" not in line and b"\r" not in line for line in got.lines)


@given(page=PAGES, data=st.data())
def test_every_truncated_page_is_refused(page: str, data: st.DataObject) -> None:
    body = page.encode()
    end = data.draw(st.integers(0, len(body) - 1))
    assert parse(body[:end]) is None


# ---------------------------------------------------------------- the CSV

# the csv module, which writes the tables, does not quote a carriage return alone
LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="\r")
CELLS = st.text(LETTERS, max_size=9) | st.sampled_from(["", '"', ",", "\n", "\r\n", "end"])
TABLES = st.integers(0, 3).flatmap(
    lambda more: st.tuples(
        st.lists(CELLS.map("x_{}".format), min_size=more, max_size=more),
        st.lists(st.lists(CELLS, min_size=more + 3, max_size=more + 3), max_size=5),
    )
)
STYLES = st.fixed_dictionaries(
    {
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    }
)


def write_csv(table: tuple[list[str], list[list[str]]], style: dict[str, object]) -> str:
    """Write a table with the standard library."""
    text = io.StringIO()
    writer = csv.writer(text, **style)
    writer.writerows([[*NEEDED_COLUMNS, *table[0]], *table[1]])
    return text.getvalue()


HEADER = ",".join(NEEDED_COLUMNS).encode() + b"\n"


@given(body=st.binary(max_size=200), has_header=st.booleans())
@example(body=b'"', has_header=True)
@example(body=b"\0", has_header=True)
@example(body=b"\xe2\x82", has_header=True)
@example(body=b"1,2,3\r\r\n4,5,6", has_header=True)
@example(body=b'"end', has_header=True)
@example(body=b"end", has_header=False)
def test_any_bytes_are_a_report_or_are_refused(body: bytes, has_header: bool) -> None:
    body = HEADER + body if has_header else body
    report = parse_csv(body)
    if report:
        records = [
            record for record in csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")) if record
        ]
        named = {re.sub("[ _]", "", name).lower() for name in records[0]}
        assert (report.body, report.rows) == (body, len(records) - 1)
        assert named >= {name.lower() for name in NEEDED_COLUMNS}


@given(table=TABLES, style=STYLES, bom=st.booleans())
def test_any_written_csv_has_its_number_of_rows(
    table: tuple[list[str], list[list[str]]], style: dict[str, object], bom: bool
) -> None:
    body = write_csv(table, style).encode("utf-8-sig" if bom else "utf-8")
    report = parse_csv(body)
    assert report is not None and (report.body, report.rows) == (body, len(table[1]))


@given(table=TABLES, style=STYLES, data=st.data())
def test_a_truncated_csv_is_refused_if_its_content_shows_it(
    table: tuple[list[str], list[list[str]]], style: dict[str, object], data: st.DataObject
) -> None:
    """Only the length reveals a truncation at the end of a row, in its last field or in the header."""
    whole = write_csv(table, style)
    cut = whole[: data.draw(st.integers(0, len(whole) - 1))]
    report = parse_csv(cut.encode())
    if report:
        rows = [[*NEEDED_COLUMNS, *table[0]], *table[1]]
        *before, last = csv.reader(io.StringIO(cut, newline=""))
        *fields, end = last
        row = rows[len(before)]
        assert report.rows == len(before) and before == rows[: len(before)]
        assert fields == row[: len(fields)] and row[len(fields)].startswith(end)
        assert before == [] or len(last) == len(row)


@given(body=st.binary(max_size=100).filter(lambda body: not _is_utf8(body)))
def test_a_report_that_is_not_utf_8_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBodyError, match="it is not UTF-8"):
        accept_report(Body(HEADER + body))


def _is_utf8(body: bytes) -> bool:
    try:
        return body.decode() is not None
    except UnicodeDecodeError:
        return False


# ---------------------------------------------------------------- Retry-After

NOW = datetime(2026, 2, 5, 12, tzinfo=UTC)


def read_seconds(header: bytes) -> float | None:
    """Return the seconds of a Retry-After."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clock, "utc_now", lambda: NOW)
        return read_retry_after(httpx.Response(429, headers=[(b"Retry-After", header)]))


HEADERS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF), max_size=40).map(
    lambda text: text.encode("latin-1")
)
DATELIKE = st.lists(
    st.sampled_from(
        ["Thu,", "05", "Feb", "2026", "12:00:30", "GMT", "-0000", "+9999", "99", "0", "1:2", "Nov-3", ":"]
    )
    | st.integers(0, 10**20).map(str),
    max_size=8,
).map(lambda parts: " ".join(parts).encode())


@given(header=HEADERS | DATELIKE | st.binary(max_size=20))
@example(header=b"9" * 400)
@example(header=b"05 Feb 1:2 2147483648")
def test_any_retry_after_gives_a_wait_or_none(header: bytes) -> None:
    seconds = read_seconds(header)
    assert seconds is None or seconds >= 0


@given(moment=st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_retry_after_as_a_date_waits_until_then(moment: datetime) -> None:
    moment = moment.replace(microsecond=0)
    assert read_seconds(format_datetime(moment, usegmt=True).encode()) == max(
        0, (moment - NOW).total_seconds()
    )


@given(seconds=st.integers(0, 10**30))
def test_retry_after_as_seconds_waits_as_long(seconds: int) -> None:
    assert read_seconds(str(seconds).encode()) == float(seconds)
