"""After any failure of the machine, one more run gives the result of an undisturbed one.

The latest loads are then the same byte for byte, their ids sort in the order of landing, and no incomplete
load was ever published.
"""

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path

import pytest

from loaders import clock
from loaders.api import FalApi
from loaders.cli import main
from loaders.errors import LandingError
from loaders.settings import ApiSettings
from tests.fal_server import FalServer, Fault, Switches, Team, World
from tests.loaders import machine
from tests.loaders.conftest import KEY, unfinished
from tests.loaders.machine import FORKS, latest_loads

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
FIRST, DAYS = date(2025, 1, 5), 20
ALL_DAYS = ["billing-events", "--start", str(FIRST), "--end", str(FIRST + timedelta(days=DAYS))]
KILLS = 200

Start = Callable[..., ForkServerProcess]


@pytest.fixture
def world() -> World:
    """Twenty past days of fifteen events each, whose rows move from page to page."""
    return World(accounts={"acme": KEY}, first_day=FIRST, days=DAYS, events_per_day=15)


@pytest.fixture
def server(world: World) -> Iterator[FalServer]:
    """The world with at most ten events a page."""
    with FalServer(world, page_cap=10) as server:
        yield server


@pytest.fixture
def landing(tmp_path: Path) -> Iterator[Path]:
    """The landing folder, in memory if possible, for speed."""
    if not os.access("/dev/shm", os.W_OK):
        yield tmp_path / "landing"
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        yield Path(folder) / "landing"


@pytest.fixture
def api(server: FalServer) -> Iterator[FalApi]:
    """A client of the server."""
    with FalApi(ApiSettings(server.url, KEY, retry_max_wait=0.01)) as api:
        yield api


@pytest.fixture
def process(server: FalServer, landing: Path, tmp_path: Path) -> Start:
    """Start the command line in a separate process; the file `output` has its output."""
    settings = {
        "FAL_KEY": KEY,
        "FAL_API_URL": server.url,
        "FAL_ACCOUNT": "acme",
        "FAL_LANDING_DIR": str(landing),
        "FAL_RETRY_MAX_WAIT": "0.01",
    }

    def start(
        *arguments: str, before: Callable[[], None] = machine.nothing, **more: str
    ) -> ForkServerProcess:
        child = FORKS.Process(
            target=machine.command, args=(list(arguments), settings | more, tmp_path / "output", before)
        )
        child.start()
        return child

    return start


@pytest.fixture
def undisturbed(api: FalApi, world: World, tmp_path: Path) -> dict[str, object]:
    """The first day, landed without failures."""
    machine.land(api, tmp_path / "undisturbed", FIRST)
    return latest_loads(tmp_path / "undisturbed")


def land_undisturbed(server: FalServer, api: FalApi, landing: Path, feed: str) -> dict[str, object]:
    """Land a load of a feed on several pages without failures, and return it."""
    server.world.switches = Switches(serverless=True, unnamed_app=True)
    server.world.teams = {"acme": [Team("acme", "Acme")]}
    server.page_cap = 2 if feed in ("usage", "keys") else 10
    machine.land(api, landing, FIRST, feed)
    return latest_loads(landing)


def new_loads(landing: Path, known: dict[Path, list[str]]) -> int:
    """Return the number of new loads, and add them to known. They must sort after the known ones."""
    count = 0
    for partition in landing.glob("billing_events/*/*"):
        before = known.setdefault(partition, [])
        new = sorted({load.name for load in partition.iterdir()} - set(before))
        assert sorted(before + new) == before + new
        before += new
        count += len(new)
    return count


def verified(landing: Path) -> bool:
    """Return whether verify finds no problem."""
    return main(["verify", "--landing-dir", str(landing)]) == 0


# ---------------------------------------------------------------- kill -9


def test_200_kills_at_random_moments_of_a_20_day_load_lose_nothing(
    process: Start, landing: Path, tmp_path: Path
) -> None:
    elsewhere = landing.with_name("undisturbed")
    for _ in range(2):  # the first run loads the libraries
        began = time.monotonic()
        child = process(*ALL_DAYS, FAL_LANDING_DIR=str(elsewhere))
        child.join()
        assert child.exitcode == 0
        duration = time.monotonic() - began
    moments, kills = random.Random(4), 0
    stages = {"inside a walk": 0, "before the first publication": 0, "after some publications": 0}
    known: dict[Path, list[str]] = {}
    while kills < KILLS or min(stages.values()) < KILLS / 10:
        assert kills < 3 * KILLS, stages
        child = process(*ALL_DAYS)
        time.sleep(moments.uniform(0, duration))
        child.kill()
        child.join()
        published = new_loads(landing, known)
        # on a machine of any pace, about half of the runs are killed before their first publication
        duration *= 1 / 1.1 if published else 1.1
        if child.exitcode != -signal.SIGKILL:
            continue  # it ended before the kill
        kills += 1
        stages["inside a walk"] += any(name.endswith(".gz") for name in unfinished(landing))
        stages["before the first publication"] += published == 0
        stages["after some publications"] += 0 < published < DAYS
    child = process(*ALL_DAYS)
    child.join()
    assert child.exitcode == 0
    assert latest_loads(landing) == latest_loads(elsewhere)
    assert len(latest_loads(landing)) == DAYS
    assert unfinished(landing) == set()
    assert verified(landing)


@pytest.mark.parametrize("feed", ["events", "team", "usage", "keys"])
def test_a_process_that_dies_at_any_file_operation_loses_nothing(
    server: FalServer, api: FalApi, landing: Path, tmp_path: Path, feed: str
) -> None:
    undisturbed = land_undisturbed(server, api, tmp_path / "undisturbed", feed)
    pages = len(server.requests)
    child = FORKS.Process(target=machine.die_at_every_step, args=(server.url, landing, FIRST, feed))
    child.start()
    child.join()
    assert child.exitcode == 0
    zones = sorted(landing.iterdir(), key=lambda zone: int(zone.name))
    assert len(zones) > 30
    left = Counter()
    for zone in zones:
        left["pages"] += any(name.endswith(".gz") for name in unfinished(zone))
        left["manifest"] += any(name.endswith("manifest.json") for name in unfinished(zone))
        left["load"] += bool(latest_loads(zone))
        server.requests.clear()
        machine.land(api, zone, FIRST, feed)
        left["resumed"] += len(server.requests) < pages
        assert latest_loads(zone) == undisturbed
        assert unfinished(zone) == set()
    assert min(left[what] for what in ("pages", "manifest", "load", "resumed")) > 0, left


@pytest.mark.parametrize("size", [0, 1, 50, 100, 300, 600])
def test_a_process_that_dies_in_the_middle_of_a_write_loses_nothing(
    process: Start, api: FalApi, landing: Path, undisturbed: dict[str, object], size: int
) -> None:
    one_day = (*ALL_DAYS[:-1], str(FIRST + timedelta(days=1)))
    child = process(*one_day, before=partial(machine.write_at_most, size, die=True))
    child.join()
    assert child.exitcode == -signal.SIGXFSZ
    assert latest_loads(landing) == {}
    machine.land(api, landing, FIRST)
    assert latest_loads(landing) == undisturbed
    assert unfinished(landing) == set()


def test_a_killed_prune_keeps_the_latest_loads_and_the_next_one_cleans_up(landing: Path, api: FalApi) -> None:
    for _ in range(3):
        machine.land(api, landing, FIRST)
    latest = latest_loads(landing)
    for load in landing.glob("*/*/*/load=*"):
        os.utime(load / "manifest.json", (0, 0))
    for at in range(100):
        child = FORKS.Process(target=machine.prune_and_die, args=(landing, at))
        child.start()
        child.join()
        assert latest_loads(landing) == latest
        assert verified(landing)
        if child.exitcode == 0:
            break
    assert at > 1
    assert len(list(landing.glob("*/*/*/load=*"))) == 1
    assert unfinished(landing) == set()


# ---------------------------------------------------------------- full disk, read-only folder


@pytest.mark.parametrize("feed", ["events", "team", "usage", "keys"])
def test_a_disk_that_is_full_from_any_step_on_is_a_one_line_error_and_loses_nothing(
    server: FalServer, api: FalApi, landing: Path, tmp_path: Path, feed: str
) -> None:
    undisturbed, refused = land_undisturbed(server, api, tmp_path / "undisturbed", feed), 0
    for at in range(1000):
        zone = landing / str(at)
        with machine.happening(at, machine.disk_full) as steps:
            try:
                machine.land(api, zone, FIRST, feed)
            except LandingError as error:
                assert re.fullmatch(
                    r"cannot use the landing folder .*: No space left on device.*", str(error)
                )
                refused += 1
            else:
                assert latest_loads(zone) == undisturbed
        if len(steps) <= at:
            break
        machine.land(api, zone, FIRST, feed)
        assert latest_loads(zone) == undisturbed
        assert unfinished(zone) == set()
    assert refused > 20


@pytest.mark.parametrize("size", [0, 1, 50, 100, 300, 600])
def test_a_file_that_cannot_grow_is_a_one_line_error_and_loses_nothing(
    process: Start, api: FalApi, landing: Path, tmp_path: Path,
    undisturbed: dict[str, object], size: int,
) -> None:  # fmt: skip
    one_day = (*ALL_DAYS[:-1], str(FIRST + timedelta(days=1)))
    machine.land(api, landing, FIRST)
    child = process(*one_day, before=partial(machine.write_at_most, size, die=False))
    child.join()
    assert child.exitcode == 1
    if size > 100:  # the limit applies to the output, too
        (line,) = (tmp_path / "output").read_text().splitlines()
        assert line.startswith(f"error: cannot use the landing folder {landing}: File too large")
    assert latest_loads(landing) == undisturbed
    machine.land(api, landing, FIRST)
    assert latest_loads(landing) == undisturbed
    assert len(list(landing.glob("*/*/*/load=*"))) == 2
    assert unfinished(landing) == set()


ON_A_SMALL_DISK = """
mount -t tmpfs -o size=150k tmpfs "$FAL_LANDING_DIR" || exit
"$0" -m loaders "$@"
code=$?
cp -r "$FAL_LANDING_DIR" "$KEPT"
exit $code
"""


def test_a_small_disk_that_fills_up_is_a_one_line_error_and_landed_days_stay(
    server: FalServer, landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    landing.mkdir()
    kept = tmp_path / "kept"
    settings = {
        "FAL_KEY": KEY,
        "FAL_API_URL": server.url,
        "FAL_ACCOUNT": "acme",
        "FAL_LANDING_DIR": str(landing),
        "KEPT": str(kept),
    }
    if shutil.which("unshare") is None:
        pytest.skip("there is no unshare, which lets one mount a file system")
    done = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-c", ON_A_SMALL_DISK,
         sys.executable, *ALL_DAYS, "--concurrency", "1"],
        env=os.environ | settings, cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    if not kept.exists():
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith(
        f"error: cannot use the landing folder {landing}: No space left on device"
    )
    assert 0 < len(latest_loads(kept)) < DAYS
    assert verified(kept)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    elsewhere = tmp_path / "undisturbed"
    for zone in (kept, elsewhere):
        assert main([*ALL_DAYS, "--landing-dir", str(zone)]) == 0
    assert latest_loads(kept) == latest_loads(elsewhere)


@pytest.mark.parametrize(
    "arguments", [ALL_DAYS, ["sync", "--since", str(FIRST)], ["prune"]], ids=lambda args: args[0]
)
@pytest.mark.parametrize("has_landed", [False, True])
def test_a_read_only_folder_is_a_one_line_error(
    process: Start,
    api: FalApi,
    landing: Path,
    tmp_path: Path,
    arguments: list[str],
    has_landed: bool,
) -> None:
    landing.mkdir()
    if has_landed:
        machine.land(api, landing, FIRST)
    before = {path: path.stat().st_mtime_ns for path in landing.rglob("*")}
    child = process(*arguments, before=partial(machine.may_only_read, landing))
    child.join()
    assert child.exitcode == 1
    line = (tmp_path / "output").read_text().splitlines()[-1]
    assert line.startswith(f"error: cannot use the landing folder {landing}: Permission denied: ")
    assert "check FAL_LANDING_DIR, its permissions" in line
    assert {path: path.stat().st_mtime_ns for path in landing.rglob("*")} == before


def test_a_read_only_folder_can_be_verified(
    process: Start, api: FalApi, landing: Path, tmp_path: Path
) -> None:
    machine.land(api, landing, FIRST)
    child = process("verify", before=partial(machine.may_only_read, landing))
    child.join()
    assert (child.exitcode, (tmp_path / "output").read_text().splitlines()[1]) == (
        0,
        "checked 1 load: all is well",
    )


# ---------------------------------------------------------------- two loaders at once


def test_a_second_loader_of_an_account_ends_at_once_until_the_first_one_has_ended(
    process: Start, server: FalServer, landing: Path, tmp_path: Path
) -> None:
    server.faults.append(Fault.stall(60))
    first = process(*ALL_DAYS, "--concurrency", "1")
    while not server.requests:
        time.sleep(0.01)
    second = process(*ALL_DAYS)
    second.join()
    assert second.exitcode == 1
    line = (tmp_path / "output").read_text()
    assert line.startswith(f"error: account acme is being landed by process {first.pid} since 20")
    assert line.endswith(": wait until that has ended, or stop it, then run this again\n")
    assert len(server.requests) == 1
    other = process(*ALL_DAYS, "--account", "bolt")
    other.join()
    assert other.exitcode == 0
    first.kill()
    first.join()
    third = process(*ALL_DAYS)
    third.join()
    assert third.exitcode == 0
    loads = latest_loads(landing)
    assert len(loads) == 2 * DAYS
    assert verified(landing)


# ---------------------------------------------------------------- clocks


def test_a_clock_that_jumps_loses_nothing(
    api: FalApi, landing: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: World
) -> None:
    jumps, true = random.Random(9), datetime(2025, 1, 25, tzinfo=UTC)
    settings = ["--api-url", api._settings.api_url, "--account", "acme", "--landing-dir"]
    monkeypatch.setenv("FAL_KEY", KEY)
    sync = ["sync", "--since", str(FIRST)]

    def jumping() -> datetime:
        return true + jumps.choice((-1, 1)) * timedelta(seconds=10 ** jumps.uniform(0, 6.5))

    monkeypatch.setattr(clock, "utc_now", lambda: true)
    assert main([*sync, *settings, str(tmp_path / "undisturbed")]) == 0
    known: dict[Path, list[str]] = {}
    landed = 0
    for _ in range(10):
        monkeypatch.setattr(clock, "utc_now", jumping)
        landed += main([*ALL_DAYS, *settings, str(landing)]) == 0
        new_loads(landing, known)
    assert landed > 2
    monkeypatch.setattr(clock, "utc_now", lambda: true)
    assert main([*sync, *settings, str(landing)]) == 0
    latest = latest_loads(landing)
    assert {
        partition: latest[partition] for partition in latest_loads(tmp_path / "undisturbed")
    } == latest_loads(tmp_path / "undisturbed")


# ---------------------------------------------------------------- file systems


def test_nothing_is_written_outside_the_landing_folder(process: Start, landing: Path, tmp_path: Path) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    child = process(
        *ALL_DAYS,
        before=partial(machine.write_only_below, landing),
        TMPDIR=str(temporary),
        HOME=str(temporary),
    )
    child.join()
    assert child.exitcode == 0, (tmp_path / "output").read_text()
    assert list(temporary.iterdir()) == []
    if landing.parent.parent == Path("/dev/shm"):
        assert landing.stat().st_dev != temporary.stat().st_dev
