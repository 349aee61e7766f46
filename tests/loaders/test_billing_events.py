"""Landing billing events from the local fal server."""

import gzip
import hashlib
import json
import threading
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import httpx
import pytest

from loaders import pages
from loaders.billing_events import EVENTS, split_window
from loaders.body import MalformedBodyError
from loaders.pages import Page, parse_page
from tests.fal_server import FalServer, World
from tests.loaders.conftest import KEY, Loads, Run, day_of, unfinished


def test_each_utc_day_becomes_one_partition_and_the_end_is_exclusive(run: Run, loads: Loads) -> None:
    result = run("billing-events", "--start", "2026-01-26", "--end", "2026-01-29")
    assert result.code == 0
    landed = loads(day_of("*"))
    assert [load.manifest["partition"] for load in landed] == ["2026-01-26", "2026-01-27", "2026-01-28"]
    assert all(load.manifest["rows"] == 60 for load in landed)
    assert "landed 3 days with 180 events in " in result.out
    assert "landed billing_events acme 2026-01-27: 60 events, 1 page" in result.err.splitlines()


def test_a_page_lands_byte_for_byte(run: Run, loads: Loads, server: FalServer) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    answer = httpx.get(
        f"{server.url}/models/billing-events",
        params={"start": "2026-01-26", "end": "2026-01-27", "expand": "auth_method,auth_method_structured"},
        headers={"Authorization": f"Key {KEY}"},
    )
    (load,) = loads(day_of("2026-01-26"))
    assert load.bodies == [answer.content]


@pytest.mark.parametrize("feed", ["events", "invoice"])
def test_a_gzipped_page_lands_in_the_same_bytes(run: Run, loads: Loads, server: FalServer, feed: str) -> None:
    if feed == "events":
        run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
        (load,) = loads(day_of("2026-01-26"))
    else:
        run("focus-report", "--source", "invoice", "--billing-month", "2026-02")
        (load,) = loads("focus_reports/account=acme/source=invoice/billing_month=2026-02")
    answer = server.answer(server.requests[-1])
    (page,) = load.manifest["pages"]
    assert (load.folder / page["file"]).read_bytes() == gzip.compress(answer.body, 1, mtime=0)
    assert page["sha256"] == hashlib.sha256(answer.body).hexdigest() and page["bytes"] == len(answer.body)


def test_the_manifest_contains_the_request_and_the_result(run: Run, loads: Loads) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27", "--page-size", 50)
    (load,) = loads(day_of("2026-01-26"))
    text = (load.folder / "manifest.json").read_text()
    assert text.endswith("}\n") and text.count("\n") == 1
    manifest = load.manifest
    assert list(manifest) == [
        "feed", "account", "source", "partition", "load_id", "request", "window_start", "window_end",
        "fetched_at", "complete", "walks", "agreed", "rows", "pages",
    ]  # fmt: skip
    assert manifest["load_id"] == load.folder.name.removeprefix("load=")
    assert manifest | {"load_id": "", "pages": []} == {
        "feed": "billing_events",
        "account": "acme",
        "source": None,
        "partition": "2026-01-26",
        "load_id": "",
        "request": {
            "start": "2026-01-26T00:00:00Z",
            "end": "2026-01-27T00:00:00Z",
            "limit": 50,
            "expand": "auth_method,auth_method_structured",
        },
        "window_start": "2026-01-26T00:00:00Z",
        "window_end": "2026-01-27T00:00:00Z",
        "fetched_at": "2026-02-05T12:00:00.000000Z",
        "complete": True,
        "walks": 2,
        "agreed": True,
        "rows": 63,
        "pages": [],
    }
    assert [page["file"] for page in manifest["pages"]] == ["page-00001.json.gz", "page-00002.json.gz"]
    assert [page["rows"] for page in manifest["pages"]] == [50, 13]
    assert [page["bytes"] for page in manifest["pages"]] == [len(body) for body in load.bodies]
    assert [page["sha256"] for page in manifest["pages"]] == [
        hashlib.sha256(body).hexdigest() for body in load.bodies
    ]


def test_rows_that_shift_between_pages_are_repeated_and_not_lost(
    run: Run, loads: Loads, world: World
) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27", "--page-size", 10)
    (load,) = loads(day_of("2026-01-26"))
    lines = [line.decode() for body in load.bodies for line in parse_events(body).lines]
    assert len(lines) == load.manifest["rows"] > 60
    events = world.day_events("acme", date(2026, 1, 26))
    assert set(lines) == {event.json(label=True, structured=True) for event in events}
    cost = sum(json.loads(line)["cost_estimate_nano_usd"] for line in set(lines))
    assert Decimal(cost).scaleb(-9) == world.total_cost("acme", date(2026, 1, 26), date(2026, 1, 27))


def test_a_short_page_is_not_the_last(world: World, run: Run, loads: Loads, server: FalServer) -> None:
    server.page_cap = 25
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    (load,) = loads(day_of("2026-01-26"))
    assert [page["rows"] for page in load.manifest["pages"]] == [25, 25, 16]
    assert load.manifest["request"]["limit"] == 10_000


def test_an_empty_day_lands_one_page_with_no_events(run: Run, loads: Loads, world: World) -> None:
    day = world.empty_day
    assert day is not None
    result = run("billing-events", "--start", day, "--end", day + timedelta(days=1))
    (load,) = loads(day_of(str(day)))
    assert load.manifest["rows"] == 0
    assert [page["rows"] for page in load.manifest["pages"]] == [0]
    assert "0 events, 1 page" in result.err


def test_the_first_and_the_last_instant_of_a_day_belong_to_it(run: Run, loads: Loads) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-28")
    for day in ("2026-01-26", "2026-01-27"):
        (load,) = loads(day_of(day))
        timestamps = {event["timestamp"] for event in load.events}
        assert all(timestamp.startswith(day) for timestamp in timestamps)
        assert f"{day}T23:59:59.999Z" in timestamps
        assert timestamps & {f"{day}T00:00:00.000Z", f"{day}T00:00:00Z"}


def test_the_open_day_is_not_complete_until_it_is_over(run: Run, loads: Loads, set_clock: object) -> None:
    run("billing-events", "--start", "2026-02-05", "--end", "2026-02-06")
    (load,) = loads(day_of("2026-02-05"))
    assert load.manifest["complete"] is False
    assert 0 < load.manifest["rows"] < 60
    set_clock(datetime(2026, 2, 6, tzinfo=UTC))
    run("billing-events", "--start", "2026-02-05", "--end", "2026-02-06")
    assert [load.manifest["complete"] for load in loads(day_of("2026-02-05"))] == [False, True]


def test_a_day_landed_again_is_a_new_load_and_the_old_one_stays(run: Run, loads: Loads, world: World) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    (before,) = loads(day_of("2026-01-26"))
    bodies = before.bodies
    world.amend("acme", date(2026, 1, 26), events=7)
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")
    old, new = loads(day_of("2026-01-26"))
    assert old.folder == before.folder and old.bodies == bodies
    assert new.manifest["rows"] == 7


def test_an_account_lands_under_its_own_name(run: Run, loads: Loads) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27", "--account", "other.team-1")
    (load,) = loads(day_of("2026-01-26", "other.team-1"))
    assert load.manifest["account"] == "other.team-1"


@pytest.mark.parametrize("concurrency", [1, 8])
def test_concurrent_days_land_the_same_as_one_by_one(
    run: Run, loads: Loads, world: World, concurrency: int
) -> None:
    result = run(
        "billing-events", "--start", "2026-01-25", "--end", "2026-02-06", "--concurrency", concurrency
    )
    assert result.code == 0
    assert sum(load.manifest["rows"] for load in loads(day_of("*"))) == len(world.events("acme"))


def test_days_that_are_fetched_at_once_overlap(run: Run, server: FalServer) -> None:
    overlapping = _Overlap(server)
    run("billing-events", "--start", "2026-01-25", "--end", "2026-02-02", "--concurrency", 4)
    assert 2 <= overlapping.most <= 4


def test_a_run_leaves_only_loads(run: Run, landing: Path) -> None:
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-28")
    assert unfinished(landing) == set()
    assert {path.name for path in landing.iterdir()} == {".work", "billing_events"}


# ---------------------------------------------------------------- the envelope


def parse_events(body: bytes) -> Page:
    """Parse a page of billing events."""
    return parse_page(EVENTS, body)


def page(**more: object) -> bytes:
    return json.dumps({"billing_events": [], "has_more": False, "next_cursor": None} | more).encode()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not complete JSON"),
        (page()[:-5], "not complete JSON"),
        (b'{"billing_events":[NaN],"has_more":false}', "not complete JSON"),
        (page().decode().encode("utf-16"), "not complete JSON"),
        (b"[]", "no list of billing_events"),
        (page(billing_events={}), "no list of billing_events"),
        (b'{"billing_events":[{}],"has_more":false,"billing_events":[]}', "billing_events twice"),
        (page(has_more=None), "neither true nor false"),
        (page(has_more="no"), "neither true nor false"),
        (page(has_more=True), "no next_cursor"),
        (page(has_more=True, next_cursor=""), "no next_cursor"),
        (page(has_more=True, next_cursor=7), "no next_cursor"),
        (page(has_more=True, next_cursor="c" * 8193), "next_cursor is over the limit of 8,192 bytes"),
        (page(has_more=True, next_cursor="ü" * 4097), "next_cursor is over the limit of 8,192 bytes"),
    ],
)
def test_an_invalid_envelope_is_refused(body: bytes, reason: str) -> None:
    with pytest.raises(MalformedBodyError, match=reason):
        parse_events(body)


@pytest.mark.parametrize("comma", [",", ", ", ",\n"])
@pytest.mark.parametrize("first", ["[]", "[1]", "[1,2]", "[1,2,1]", "[2,1]", "[1,2,3,1,2]", r'["\ud800"]'])
@pytest.mark.parametrize("second", ["[]", "[1]", "[1,2]", "[2,1,2]", "[1,1]", r'["\ufffd","\ud800"]'])
def test_two_lists_of_events_are_refused_with_any_content(first: str, second: str, comma: str) -> None:
    lists = f'"billing_events":{first},"x":1,"billing_events":{second}'.replace(",", comma)
    for body in (f'{{"has_more":false,{lists}}}', f'{{{lists},"has_more":false,"y":[1]}}'):
        with pytest.raises(MalformedBodyError, match="billing_events twice"):
            parse_events(body.encode())


@pytest.mark.parametrize("comma", [",", ", "])
@pytest.mark.parametrize("events", ["[]", "[1]", '["\\u005f"]'])
@pytest.mark.parametrize(
    "name", [r"billing\u005fevents", r"billing_event\u0073", r"\u0062illing_event\u0073"]
)
def test_two_lists_of_events_are_refused_if_a_name_is_escaped(name: str, events: str, comma: str) -> None:
    for names in (("billing_events", name), (name, "billing_events"), (name, name)):
        lists = f'"{names[0]}":[1,2],"has_more":false,"{names[1]}":{events}'.replace(",", comma)
        with pytest.raises(MalformedBodyError, match="billing_events twice"):
            parse_events(f"{{{lists}}}".encode())


def test_escapes_in_compact_events_do_not_need_the_slow_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pages, "_list_names", None)
    body = rb'{"billing_events":[{"a":"\u005f\u00e9"},{"a":"\u0065"}],"has_more":false,"news":"\u00e9"}'
    assert parse_events(body).rows == 2


def test_a_page_can_have_an_escaped_list_name_and_long_numbers() -> None:
    body = rb'{"billing\u005fevents":[1],"has_more":false,"x":' + b"1" * 5000 + b"}"
    assert parse_events(body).rows == 1


def test_a_cursor_can_have_8192_bytes() -> None:
    cursor = "%" * 8192
    assert parse_events(page(has_more=True, next_cursor=cursor)).next_cursor == cursor


def test_new_fields_in_the_envelope_are_accepted() -> None:
    assert parse_events(page(billing_events=[{}], news={"a": 1})).rows == 1


def test_a_cursor_after_the_last_page_is_not_followed() -> None:
    assert parse_events(page(next_cursor="more")).next_cursor is None


def test_events_are_printed_unchanged() -> None:
    events = ['{"a": 3.33e-05, "b": 0.1234567890123456789}', '{"c": 123456789012345678901, "d": "x]},{\\n"}']
    before, after = '{"x": [1, {"billing_events": 0}] , "billing_events" : [', '], "has_more": false}'
    body = f" {before} {events[0]} ,\n{events[1]} {after}"
    assert list(parse_events(body.encode()).lines) == [event.encode() for event in events]


def test_an_event_of_several_lines_is_printed_on_one() -> None:
    body = '{"billing_events": [{\n  "a": 1.0,\r\n  "b": "two\\nlines"\n}], "has_more": false}'
    assert list(parse_events(body.encode()).lines) == [b'{ "a": 1.0, "b": "two\\nlines" }']


def test_an_empty_page_prints_nothing() -> None:
    assert list(parse_events(page()).lines) == []
    assert list(parse_events(b'{"billing_events":[ ],"has_more":false}').lines) == []


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"\ud83d\ude00", r"\ud83d\ude00"),
        (r"\ud800", r"\ufffd"),
        (r"a\uDC00\uD83D\uDE00\ud83d", r"a\ufffd\uD83D\uDE00\ufffd"),
        (r"\\ud800 \ud800", r"\\ud800 \ufffd"),
    ],
)
def test_a_page_with_an_unpaired_surrogate_is_accepted(written: str, read: str) -> None:
    body = f'{{"billing_events": [{{"a": "{written}"}}], "has_more": false}}'.encode()
    assert list(parse_events(body).lines) == [f'{{"a": "{read}"}}'.encode()]
    assert parse_events(body).body == body


def test_an_event_can_contain_the_name_billing_events() -> None:
    assert parse_events(page(billing_events=[{"billing_events": []}, {"a": "billing_events"}])).rows == 2


def test_a_page_that_is_not_utf_8_is_refused() -> None:
    with pytest.raises(MalformedBodyError, match="not complete JSON"):
        parse_events(b'{"billing_events":[{"a":"\xff"}],"has_more":false}')


def test_a_long_window_is_split_into_adjacent_pieces() -> None:
    start, end = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 5, 6, tzinfo=UTC)
    pieces = split_window(start, end)
    assert pieces[0][1] == end and pieces[-1][0] == start
    assert all(high - low <= timedelta(days=90) for low, high in pieces)
    assert all(newer[0] == older[1] for newer, older in pairwise(pieces))


class _Overlap:
    """Counts the most requests that a server answers at the same time."""

    def __init__(self, server: FalServer) -> None:
        self.most = self._now = 0
        lock, answer = threading.Lock(), server.answer

        def slowly(request: object) -> object:
            with lock:
                self._now += 1
                self.most = max(self.most, self._now)
            time.sleep(0.02)
            with lock:
                self._now -= 1
            return answer(request)

        server.answer = slowly
