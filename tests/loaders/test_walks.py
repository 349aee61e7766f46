"""A day whose rows move between pages is walked again until two walks agree."""

import json
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest

from loaders import walk
from loaders.billing_events import EVENTS
from loaders.body import Body
from loaders.landing import LandingZone, Partition
from loaders.walk import REMEMBERED, RecentRows, digest_rows, sample_rows, walk_once
from tests.fal_server import FalServer, Oddities, Request, World
from tests.fal_server.messages import Answer
from tests.loaders.conftest import Loads, Run, day_of, unfinished

pytestmark = pytest.mark.slow

DAY = ("billing-events", "--start", "2026-01-26", "--end", "2026-01-27")


def body(events: str, next_cursor: str | None) -> bytes:
    """Return a page of events, each named by a letter."""
    listed = [{"request_id": letter} for letter in events]
    page = {"billing_events": listed, "has_more": next_cursor is not None, "next_cursor": next_cursor}
    return json.dumps(page).encode()


@pytest.fixture
def serve(server: FalServer) -> Callable[..., None]:
    """Serve other pages in each walk; each event is a letter."""

    def script(*walks: Sequence[str]) -> None:
        left: Iterator[Sequence[str]] = iter(walks)
        walk: Sequence[str] = ()

        def answer(request: Request) -> Answer:
            nonlocal walk
            number = int(request.one("cursor") or 0)
            if number == 0:
                walk = next(left)
            more = str(number + 1) if number + 1 < len(walk) else None
            return Answer(200, body(walk[number], more))

        server.answer = answer

    return script


@pytest.mark.parametrize(
    ("walks", "said"),
    [
        ([["abc", "def"]], (1, None)),
        ([[""]], (1, None)),
        ([["aab", "cc"]], (1, None)),  # twice on one page: nothing has moved
        ([["abc", "cde"], ["abc", "cde"]], (2, True)),
        ([["abc", "cde"], ["xab", "cde"], ["xab", "cde"]], (3, True)),
        ([["abc", "cde"], ["abc", "de"]], (2, True)),
        ([["abc", "cde"], ["ed", "cba", "a"]], (2, True)),
        ([["abc", "", "cde"], ["abc", "de"]], (2, True)),
        ([["abc", "def", "ghc"], ["abc", "def", "gh"]], (2, True)),  # moved by more than a page
        ([["abc", "cde"], ["xab", "cde"], ["yxa", "bcd", "e"]], (3, False)),
        ([["abc", "cde"], ["abc", "de", "f"], ["abc", "de"]], (3, False)),
        ([["abc", "cde"], ["ab", "de"], ["ab", "de"]], (3, True)),
    ],
)
def test_a_day_is_walked_until_two_walks_agree_or_three_are_done(
    run: Run, server: FalServer, loads: Loads, serve: Callable[..., None],
    walks: list[list[str]], said: tuple[int, bool | None],
) -> None:  # fmt: skip
    serve(*walks)
    assert run(*DAY).code == 0
    (load,) = loads(day_of("2026-01-26"))
    assert (load.manifest["walks"], load.manifest["agreed"]) == said
    assert len(server.requests) == sum(map(len, walks))
    # the last walk lands completely
    assert [
        [event["request_id"] for event in json.loads(page)["billing_events"]] for page in load.bodies
    ] == [list(page) for page in walks[-1]]
    assert load.manifest["rows"] == sum(map(len, walks[-1]))


def test_events_that_arrive_during_the_first_walk_land(
    run: Run, loads: Loads, serve: Callable[..., None]
) -> None:
    serve(["abc", "cde"], ["xab", "cde"], ["xab", "cde"])
    run(*DAY)
    (load,) = loads(day_of("2026-01-26"))
    assert "x" in {event["request_id"] for event in load.events}


def test_the_number_of_walks_of_a_day_is_printed(run: Run, serve: Callable[..., None]) -> None:
    serve(["abc", "cde"], ["abc", "cde"], ["abc", "cde"], ["abc", "d"], ["abc", "e"])
    assert run(*DAY).err == "landed billing_events acme 2026-01-26: 6 events, 2 pages in 2 walks\n"
    assert run(*DAY).err == (
        "landed billing_events acme 2026-01-26: 4 events, 2 pages in 3 walks, which differ\n"
    )


def test_fetched_at_is_the_start_of_the_last_walk(
    run: Run,
    loads: Loads,
    serve: Callable[..., None],
    server: FalServer,
    set_clock: Callable[[datetime], None],
) -> None:
    serve(["abc", "cde"], ["abc", "cde"])
    answer = server.answer

    def a_minute_later(request: Request) -> Answer:
        set_clock(datetime(2026, 2, 5, 12, len(server.requests), tzinfo=UTC))
        return answer(request)

    server.answer = a_minute_later
    run(*DAY)
    assert loads(day_of("2026-01-26"))[0].manifest["fetched_at"] == "2026-02-05T12:02:00.000000Z"


def test_an_open_day_is_walked_once(run: Run, loads: Loads, world: World) -> None:
    assert world.shift > 0
    run("billing-events", "--start", "2026-02-05", "--end", "2026-02-06", "--page-size", 10)
    (load,) = loads(day_of("2026-02-05"))
    assert len(load.events) > len({event["request_id"] for event in load.events})
    assert (load.manifest["walks"], load.manifest["agreed"]) == (1, None)


def test_a_report_is_fetched_once(run: Run, loads: Loads) -> None:
    run("focus-report", "--source", "invoice", "--billing-month", "2026-02")
    (load,) = loads("focus_reports/*/*/*")
    assert (load.manifest["walks"], load.manifest["agreed"]) == (1, None)


def test_rows_that_do_not_move_need_one_walk(run: Run, loads: Loads, world: World, server: FalServer) -> None:
    world.oddities = Oddities()
    run(*DAY, "--page-size", 7)
    assert loads(day_of("2026-01-26"))[0].manifest["walks"] == 1
    assert len(server.requests) == 9


@pytest.mark.parametrize("size", [9, 1000, 1500, 2500, 10_000])
@pytest.mark.parametrize("moved", [1, 5, 999, 1001, 2000, 4321, 9999, 15_000])
def test_rows_that_moved_by_any_number_are_detected(size: int, moved: int) -> None:
    recent = RecentRows()
    for first in range(0, 20_000, size):
        events = set(sample_rows(range(first, first + size)))
        assert recent.add(events) == events
    events = set(sample_rows(range(first + size - moved, first + 2 * size - moved)))
    assert recent.add(events) < events


def test_a_full_page_is_sampled_and_a_small_one_is_compared_whole() -> None:
    assert list(sample_rows(range(2000))) == list(range(2000))
    assert len(list(sample_rows(range(10_000)))) == 2800


# ---------------------------------------------------------------- pages without end


@pytest.fixture
def serve_for_ever(server: FalServer) -> Callable[[Callable[[int], str]], None]:
    """Serve pages without end, each with a new cursor. events: returns the letters of a page."""

    def endless(events: Callable[[int], str]) -> None:
        def answer(request: Request) -> Answer:
            return Answer(200, body(events(len(server.requests)), f"cursor {len(server.requests)}"))

        server.answer = answer

    return endless


@pytest.mark.parametrize(
    "events", [lambda _: "", lambda _: "abc", lambda number: "abcdefgh"[number % 8], lambda n: "abc"[: n % 3]]
)
@pytest.mark.parametrize("more", [(), ("--expand", "auth_method")], ids=["landed", "ad hoc"])
def test_pages_without_a_new_event_end_with_one_line(
    run: Run, server: FalServer, landing: Path, loads: Loads, more: tuple[str, ...],
    serve_for_ever: Callable[[Callable[[int], str]], None], events: Callable[[int], str],
) -> None:  # fmt: skip
    serve_for_ever(events)
    result = run(*DAY, *more)
    assert result.code == 1
    (line,) = result.errors
    assert "101 pages in a row had no new row, and may never end" in line
    assert len(server.requests) < 120
    assert loads(day_of("2026-01-26")) == [] and unfinished(landing) == set()


def test_a_hundred_pages_without_a_new_event_are_followed(
    run: Run, loads: Loads, serve: Callable[..., None]
) -> None:
    walk = ["abc", *["b"] * 100, "d", *["c"] * 100, "e"]
    serve(walk, walk)
    assert run(*DAY).code == 0
    assert len(loads(day_of("2026-01-26"))[0].events) == 205


def test_a_day_with_more_pages_than_the_setting_allows_fails_and_keeps_no_page(
    run: Run, server: FalServer, landing: Path, monkeypatch: pytest.MonkeyPatch,
    serve_for_ever: Callable[[Callable[[int], str]], None],
) -> None:  # fmt: skip
    serve_for_ever(lambda number: chr(0x4E00 + number))
    monkeypatch.setenv("FAL_MAX_PAGES", "50")
    result = run(*DAY)
    assert result.code == 1
    assert result.err == (
        "error: GET /models/billing-events (2026-01-26T00:00:00Z to 2026-01-27T00:00:00Z): "
        "it has more than 50 pages, and none of it was landed; if that can be right, "
        "raise --page-size or FAL_MAX_PAGES (at most 99,999)\n"
    )
    assert len(server.requests) == 50
    assert unfinished(landing) == set()


def test_a_day_can_have_as_many_pages_as_the_setting_allows(
    run: Run, loads: Loads, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.oddities = Oddities()
    monkeypatch.setenv("FAL_MAX_PAGES", "9")
    assert run(*DAY, "--page-size", 7).code == 0
    assert len(loads(day_of("2026-01-26"))[0].manifest["pages"]) == 9
    monkeypatch.setenv("FAL_MAX_PAGES", "8")
    assert run(*DAY, "--page-size", 7).code == 1


# ---------------------------------------------------------------- memory


def test_only_the_latest_events_are_remembered() -> None:
    recent = RecentRows()
    for first in range(0, 300_000, 999):  # each page begins with the last event of the one before
        assert len(recent.add(set(range(first, first + 1000)))) == (999 if first else 1000)
        remembered = set().union(*recent._sets)
        assert remembered >= set(range(max(0, first + 1000 - REMEMBERED // 1000 * 999), first + 1000))
        assert len(remembered) <= REMEMBERED + REMEMBERED // 5


class Pages:
    """An API with many pages of 501 events; adjacent pages share an event."""

    max_pages = 200

    def __init__(self, count: int) -> None:
        self.count = count

    def get(self, path: str, params: dict[str, str], accept: Callable[[Body], object]) -> object:
        number = int(params.get("cursor", 0))
        events = ",".join(f'{{"request_id":"{i:032}"}}' for i in range(number * 500, number * 500 + 501))
        more = json.dumps(str(number + 1) if number + 1 < self.count else None)
        more = f'"has_more":{"true" if number + 1 < self.count else "false"},"next_cursor":{more}'
        return accept(Body(f'{{"billing_events":[{events}],{more}}}'.encode()))


@pytest.mark.slow
def test_memory_does_not_grow_with_the_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "REMEMBERED", 2000)

    def peak(count: int) -> int:
        with LandingZone(tmp_path).open_account("acme") as zone:
            load = zone.start_load(Partition("billing_events", "acme", "2026-01-26"), {"pages": count})
            tracemalloc.start()
            assert walk_once(Pages(count), EVENTS, load) is True
            assert digest_rows(EVENTS, load).startswith(f"{count * 500 + 1}-")
            _, most = tracemalloc.get_traced_memory()
            tracemalloc.stop()
            return most

    # the least of several, since threads of other tests may allocate as well
    few, many = (min(peak(count) for _ in range(3)) for count in (20, 120))
    assert many < few * 1.2
