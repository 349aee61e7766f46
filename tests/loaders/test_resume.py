"""An interrupted day resumes at the page where it stopped, for an hour after the last page."""

import hashlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.fal_server import FalServer, Fault, Oddities, Request, World
from tests.fal_server.messages import read_cursor
from tests.loaders.conftest import KEY, Feed, Loads, Run, day_of, unfinished

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DAY = ("billing-events", "--start", "2026-01-26", "--end", "2026-01-27", "--page-size", "10")  # six pages
NOW = datetime(2026, 2, 5, 12, tzinfo=UTC)

SetClock = Callable[[datetime], None]


@pytest.fixture(autouse=True)
def rows_that_stay(world: World) -> None:
    """Rows do not move from page to page, so a day is walked once."""
    world.oddities = Oddities()


def later_than(page: int) -> Callable[[Request], bool]:
    """Return whether a request is for a later page."""
    return lambda request: page_of(request) > page


def page_of(request: Request) -> int:
    """Return the page number of a request, from 1."""
    cursor = request.one("cursor")
    return 1 if cursor is None else read_cursor(cursor)[0] + 1


def pages_asked_for(server: FalServer) -> list[int]:
    """Return the pages of all requests in order, and clear the requests."""
    asked = [page_of(request) for request in server.requests]
    server.requests.clear()
    return asked


def stop_after(run: Run, server: FalServer, page: int, *args: object) -> None:
    """Run a load that gives up after a page of the day."""
    server.faults.append(Fault.server_error(times=6, when=later_than(page)))
    assert run(*(args or DAY)).code == 1
    assert pages_asked_for(server) == [*range(1, page + 1), *[page + 1] * 6]


def kept(landing: Path) -> Path:
    """Return the only unfinished load."""
    (folder,) = (landing / ".work").glob("account=acme/kept/*")
    return folder


def pages_of(server: FalServer, feed: Feed) -> list[int]:
    """Return the pages of all requests for a feed in order, and clear the requests."""
    server.requests[:] = [request for request in server.requests if request.path == feed.path]
    return pages_asked_for(server)


def test_every_feed_continues_with_the_next_page(
    run: Run, server: FalServer, loads: Loads, feed: Feed, landing: Path
) -> None:
    server.faults.append(Fault.server_error(times=6, when=later_than(2)))
    assert run(*feed.command).code == 1
    assert pages_of(server, feed) == [1, 2, *[3] * 6]
    assert run(*feed.command).code == 0
    first, *rest = pages_of(server, feed)
    assert (first, rest) == (3, list(range(4, 4 + len(rest))))
    assert run(*feed.command).code == 0
    load, undisturbed = loads(feed.partition)
    assert len(load.bodies) == 3 + len(rest) > 3
    assert load.bodies == undisturbed.bodies
    same = {"load_id": "", "fetched_at": ""}
    assert load.manifest | same == undisturbed.manifest | same
    assert unfinished(landing) == set()


def test_a_day_that_gave_up_continues_with_the_next_page(run: Run, server: FalServer, loads: Loads) -> None:
    stop_after(run, server, 4)
    assert run(*DAY).code == 0
    assert pages_asked_for(server) == [5, 6]
    (load,) = loads(day_of("2026-01-26"))
    run(*DAY)
    assert pages_asked_for(server) == [1, 2, 3, 4, 5, 6]
    _, undisturbed = loads(day_of("2026-01-26"))
    assert load.bodies == undisturbed.bodies
    same = {"load_id": "", "fetched_at": ""}
    assert load.manifest | same == undisturbed.manifest | same


# a process of its own has the real clock, so its snapshot would be one of another day
@pytest.mark.parametrize("feed", ["events", "team", "usage"], indirect=True)
@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGINT])
def test_a_day_continues_after_kill_9_and_after_ctrl_c(
    run: Run, server: FalServer, loads: Loads, landing: Path, signal_: signal.Signals, feed: Feed
) -> None:
    server.faults.append(Fault.stall(300, when=later_than(4)))
    process = subprocess.Popen(
        [sys.executable, "-m", "loaders", *map(str, feed.command)],
        env=os.environ | {"FAL_KEY": KEY}, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # background jobs ignore it
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not any(map(later_than(4), server.requests)) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal_)
    assert process.wait(timeout=120) in (-signal.SIGKILL, 130)
    assert pages_of(server, feed) == [1, 2, 3, 4, 5]
    set_to_now(landing)
    assert run(*feed.command).code == 0
    first, *_ = pages_of(server, feed)
    assert run(*feed.command).code == 0
    load, undisturbed = loads(feed.partition)
    assert (first, load.bodies) == (5, undisturbed.bodies)


def set_to_now(landing: Path) -> None:
    """Set the times of a walk by another process, which used the real clock, to the time of the test."""
    (record,) = (landing / ".work").glob("account=acme/*/*/walk.jsonl")
    record.write_text(re.sub('_at":"[^"]*"', '_at":"2026-02-05T12:00:00Z"', record.read_text()))


def test_fetched_at_is_the_time_of_the_first_page(
    run: Run, server: FalServer, loads: Loads, set_clock: SetClock
) -> None:
    stop_after(run, server, 4)
    set_clock(NOW + timedelta(minutes=59))
    run(*DAY)
    (load,) = loads(day_of("2026-01-26"))
    assert load.manifest["fetched_at"] == "2026-02-05T12:00:00.000000Z"
    assert load.folder.name.startswith("load=20260205T120000000000Z-")


@pytest.mark.parametrize(
    ("passed", "asked"),
    [
        (timedelta(0), [5, 6]),
        (timedelta(hours=1), [5, 6]),
        (timedelta(hours=1, seconds=1), [1, 2, 3, 4, 5, 6]),
        (timedelta(days=400), [1, 2, 3, 4, 5, 6]),
        (-timedelta(seconds=1), [1, 2, 3, 4, 5, 6]),  # the clock was set back
        (-timedelta(days=7), [1, 2, 3, 4, 5, 6]),
    ],
)
def test_pages_are_kept_for_an_hour(
    run: Run, server: FalServer, set_clock: SetClock, passed: timedelta, asked: list[int]
) -> None:
    stop_after(run, server, 4)
    set_clock(NOW + passed)
    assert run(*DAY).code == 0
    assert pages_asked_for(server) == asked


def test_a_walk_of_two_hours_is_kept_for_an_hour_after_its_last_page(
    run: Run, server: FalServer, loads: Loads, set_clock: SetClock
) -> None:
    def half_an_hour_each(request: Request) -> bool:
        set_clock(NOW + timedelta(minutes=30) * (page_of(request) - 1))
        return page_of(request) > 4

    server.faults.append(Fault.server_error(times=6, when=half_an_hour_each))
    assert run(*DAY).code == 1
    assert pages_asked_for(server) == [1, 2, 3, 4, *[5] * 6]
    set_clock(NOW + timedelta(minutes=90 + 60))
    assert run(*DAY).code == 0
    assert pages_asked_for(server) == [5, 6]
    assert loads(day_of("2026-01-26"))[0].manifest["fetched_at"] == "2026-02-05T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("second", "third", "asked"),
    [
        (timedelta(minutes=40), timedelta(minutes=80), [5, 6]),
        (timedelta(minutes=40), timedelta(minutes=101), [1, 2, 3, 4, 5, 6]),
        (timedelta(minutes=40), timedelta(minutes=39), [1, 2, 3, 4, 5, 6]),  # the clock was set back
    ],
)
def test_the_age_of_a_walk_counts_from_its_last_page(
    run: Run, server: FalServer, set_clock: SetClock, second: timedelta, third: timedelta, asked: list[int]
) -> None:
    stop_after(run, server, 2)
    set_clock(NOW + second)
    server.faults.append(Fault.server_error(times=6, when=later_than(4)))
    assert run(*DAY).code == 1
    assert pages_asked_for(server) == [3, 4, *[5] * 6]
    set_clock(NOW + third)
    run(*DAY)
    assert pages_asked_for(server) == asked


def test_a_run_without_a_new_page_does_not_extend_the_life_of_a_walk(
    run: Run, server: FalServer, set_clock: SetClock
) -> None:
    stop_after(run, server, 4)
    set_clock(NOW + timedelta(minutes=40))
    server.faults.append(Fault.server_error(times=6))
    assert run(*DAY).code == 1
    assert pages_asked_for(server) == [5] * 6
    set_clock(NOW + timedelta(minutes=80))
    run(*DAY)
    assert pages_asked_for(server) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("passed", "asked"), [(timedelta(hours=24), [6]), (timedelta(hours=24, seconds=1), [1, 2, 3, 4, 5, 6])]
)
def test_a_walk_that_is_stopped_repeatedly_can_continue_for_a_day(
    run: Run, server: FalServer, landing: Path, set_clock: SetClock, passed: timedelta, asked: list[int]
) -> None:
    stop_after(run, server, 5)
    (record,) = (landing / ".work").glob("account=acme/kept/*/walk.jsonl")
    record.write_text(re.sub('kept_at":"[^"]*"', 'kept_at":"2026-02-06T11:30:00Z"', record.read_text()))
    set_clock(NOW + passed)
    assert run(*DAY).code == 0
    assert pages_asked_for(server) == asked


def test_any_run_of_an_account_deletes_its_old_work(
    run: Run, server: FalServer, landing: Path, set_clock: SetClock
) -> None:
    stop_after(run, server, 4)
    another_day = ("billing-events", "--start", "2026-01-27", "--end", "2026-01-28")
    run(*another_day, "--account", "bolt")
    run(*another_day)
    assert len(unfinished(landing)) == 2 + 1 + 4  # two folders, a record, and the pages
    set_clock(NOW + timedelta(hours=2))
    run(*another_day, "--account", "bolt")
    assert len(unfinished(landing)) == 7
    run(*another_day)
    assert unfinished(landing) == set()


def test_another_request_does_not_continue_with_these_pages(
    run: Run, server: FalServer, loads: Loads
) -> None:
    stop_after(run, server, 4)
    assert run(*DAY[:-1], 20).code == 0
    assert pages_asked_for(server) == [1, 2, 3]
    assert loads(day_of("2026-01-26"))[0].manifest["rows"] == 60


def test_an_unfinished_open_day_continues_while_it_is_open(
    run: Run, server: FalServer, loads: Loads, set_clock: SetClock
) -> None:
    today = ("billing-events", "--start", "2026-02-05", "--end", "2026-02-06", "--page-size", 10)
    stop_after(run, server, 2, *today)
    set_clock(NOW + timedelta(minutes=30))
    run(*today)
    assert pages_asked_for(server)[0] == 3
    (load,) = loads(day_of("2026-02-05"))
    assert (load.manifest["complete"], load.manifest["walks"]) == (False, 1)


def test_pages_of_an_open_day_are_not_used_after_it_is_over(
    run: Run, server: FalServer, loads: Loads, set_clock: SetClock
) -> None:
    today = ("billing-events", "--start", "2026-02-05", "--end", "2026-02-06", "--page-size", 10)
    set_clock(datetime(2026, 2, 5, 23, 50, tzinfo=UTC))
    stop_after(run, server, 4, *today)
    set_clock(datetime(2026, 2, 6, 0, 10, tzinfo=UTC))
    run(*today)
    assert pages_asked_for(server) == [1, 2, 3, 4, 5, 6]
    (load,) = loads(day_of("2026-02-05"))
    assert load.manifest["complete"] is True
    assert load.manifest["fetched_at"] == "2026-02-06T00:10:00.000000Z"
    assert load.manifest["rows"] == 60


# ---------------------------------------------------------------- a resumed walk that goes wrong


def test_a_cursor_that_is_refused_later_restarts_the_day(run: Run, server: FalServer, loads: Loads) -> None:
    stop_after(run, server, 4)
    server.faults.append(Fault.error(400, "validation_error", "cursor: not one of ours", when=later_than(4)))
    assert run(*DAY).code == 0
    assert pages_asked_for(server) == [5, 1, 2, 3, 4, 5, 6]
    assert len(loads(day_of("2026-01-26"))[0].events) == 60


def test_a_cursor_that_is_refused_at_once_is_a_one_line_error(run: Run, server: FalServer) -> None:
    server.faults.append(
        Fault.error(400, "validation_error", "cursor: not one of ours", times=9, when=later_than(4))
    )
    result = run(*DAY)
    assert (result.code, pages_asked_for(server)) == (1, [1, 2, 3, 4, 5])
    assert len(result.errors) == 1
    result = run(*DAY)  # a restart fails as well
    assert (result.code, pages_asked_for(server)) == (1, [5, 1, 2, 3, 4, 5])
    assert len(result.errors) == 1


def test_a_wrong_key_keeps_the_pages(run: Run, server: FalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(run, server, 4)
    monkeypatch.setenv("FAL_KEY", "wrong")
    assert "check FAL_KEY" in run(*DAY).err
    monkeypatch.setenv("FAL_KEY", KEY)
    server.requests.clear()
    assert run(*DAY).code == 0
    assert pages_asked_for(server) == [5, 6]


@pytest.mark.parametrize(
    ("damage", "asked"),
    [
        (lambda load: (load / "page-00003.json.gz").write_bytes(b""), [3, 4, 5, 6]),
        (lambda load: (load / "page-00003.json.gz").unlink(), [3, 4, 5, 6]),
        (lambda load: os.truncate(load / "page-00004.json.gz", 50), [4, 5, 6]),
        (lambda load: (load / "page-00001.json.gz").unlink(), [1, 2, 3, 4, 5, 6]),
        (
            lambda load: (load / "page-00003.json.gz").unlink() or os.mkfifo(load / "page-00003.json.gz"),
            [3, 4, 5, 6],
        ),
        (
            lambda load: (load / "page-00002.json.gz").write_bytes(
                (load / "page-00001.json.gz").read_bytes()
            ),
            [2, 3, 4, 5, 6],
        ),
        (lambda load: os.truncate(load / "walk.jsonl", (load / "walk.jsonl").stat().st_size - 9), [4, 5, 6]),
        (lambda load: os.truncate(load / "walk.jsonl", (load / "walk.jsonl").stat().st_size - 1), [5, 6]),
        (lambda load: (load / "walk.jsonl").write_bytes(b"\0" * 900), [1, 2, 3, 4, 5, 6]),
        (lambda load: (load / "page-00005.json.gz").write_bytes(b"half"), [5, 6]),  # not in the record
        (lambda load: (load / "manifest.json").write_bytes(b"{}"), [5, 6]),
    ],
    ids=[
        "empty page", "no page", "cut page", "no first page", "pipe", "another page", "cut record",
        "record without its last line break", "no record",
        "page without record", "manifest",
    ],
)  # fmt: skip
def test_only_complete_pages_are_kept(
    run: Run, server: FalServer, loads: Loads, landing: Path, damage: Callable[[Path], None], asked: list[int]
) -> None:
    stop_after(run, server, 4)
    damage(kept(landing))
    assert run(*DAY).code == 0
    assert pages_asked_for(server) == asked
    (load,) = loads(day_of("2026-01-26"))
    assert len({event["request_id"] for event in load.events}) == load.manifest["rows"] == 60
    assert {path.name for path in load.folder.iterdir()} == {
        "manifest.json", *(page["file"] for page in load.manifest["pages"])
    }  # fmt: skip
    assert unfinished(landing) == set()


def test_a_resumed_page_is_hashed_once(run: Run, server: FalServer, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_after(run, server, 4)
    hashed: list[bytes] = []
    true = hashlib.sha256
    monkeypatch.setattr(hashlib, "sha256", lambda body: hashed.append(body) or true(body))
    assert run(*DAY).code == 0
    assert pages_asked_for(server) == [5, 6]
    assert len(hashed) == len(set(hashed)) == 6


def test_cursors_in_a_circle_are_detected_across_two_runs(run: Run, server: FalServer, loads: Loads) -> None:
    stop_after(run, server, 4)
    first_page = server.answer(request_for_page_1(server, run))
    server.faults.append(Fault.answer(200, first_page.body, times=6, when=later_than(4)))
    assert "its next_cursor was there before" in run(*DAY).err
    assert loads(day_of("2026-01-26")) == []


def request_for_page_1(server: FalServer, run: Run) -> Request:
    """Return the first request of a run, which fails."""
    server.faults.append(Fault.error(400, "validation_error", "no", times=2))
    run("billing-events", "--start", "2026-01-26", "--end", "2026-01-27", "--page-size", 10, "--account", "x")
    return server.requests.pop()


# ---------------------------------------------------------------- and walks


def test_rows_that_moved_between_two_runs_are_detected(
    run: Run, server: FalServer, loads: Loads, world: World
) -> None:
    stop_after(run, server, 4)
    world.oddities = Oddities(shifted_pages=True)
    assert run(*DAY).code == 0
    assert loads(day_of("2026-01-26"))[0].manifest["walks"] == 2


def test_a_second_walk_continues_and_is_compared_with_the_first(
    run: Run, server: FalServer, loads: Loads, world: World
) -> None:
    world.oddities = Oddities(shifted_pages=True)
    run(*DAY)
    whole = pages_asked_for(server)
    assert whole == [*range(1, 10), *range(1, 10)]
    seen: list[Request] = []

    def of_the_second_walk(request: Request) -> bool:
        seen.append(request)
        return len(seen) > 9 + 4

    server.faults.append(Fault.server_error(times=6, when=of_the_second_walk))
    assert run(*DAY).code == 1
    server.requests.clear()
    assert run(*DAY).code == 0
    assert pages_asked_for(server) == [5, 6, 7, 8, 9]
    undisturbed, load = loads(day_of("2026-01-26"))
    assert (load.manifest["walks"], load.manifest["agreed"]) == (2, True)
    assert load.bodies == undisturbed.bodies
