"""Fixtures: a small world on a local fal server, and the command line with its settings."""

import gc
import gzip
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import settings

from loaders import clock
from loaders.cli import main
from tests.fal_server import FalServer, Oddities, Switches, Team, World

KEY = "key-acme:not-to-be-seen-anywhere"

# the same examples in each run, so that the tests are deterministic
settings.register_profile("fal", max_examples=100, derandomize=True, database=None, deadline=None)
settings.load_profile("fal")


def pytest_unconfigure() -> None:
    """Remove the garbage collector hook of hypothesis, with which duckdb reports leaks at exit."""
    gc.callbacks.clear()


@dataclass(frozen=True)
class Result:
    """The exit code and the output of a command."""

    code: int
    out: str
    err: str

    @property
    def errors(self) -> list[str]:
        """The error lines."""
        return [line for line in self.err.splitlines() if line.startswith("error: ")]


@dataclass(frozen=True)
class Landed:
    """A load on disk."""

    folder: Path

    @property
    def manifest(self) -> dict[str, Any]:
        """Its manifest."""
        return json.loads((self.folder / "manifest.json").read_text())

    @property
    def bodies(self) -> list[bytes]:
        """The bodies of its pages, in order."""
        return [gzip.decompress((self.folder / page["file"]).read_bytes()) for page in self.manifest["pages"]]

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of its pages."""
        return [event for body in self.bodies for event in json.loads(body)["billing_events"]]


class Wire(httpx.SyncByteStream):
    """A response body in chunks."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = chunks

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._chunks)


Run = Callable[..., Result]
Loads = Callable[[str], list[Landed]]


@pytest.fixture(scope="package", autouse=True)
def no_waiting_for_the_disk() -> Iterator[None]:
    """Replace fsync, which takes most of the time of a small load. test_files.py tests when it is called."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(autouse=True)
def no_key_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ignore the setting of the shell."""
    monkeypatch.delenv("FAL_KEY_FILE", raising=False)


@pytest.fixture
def world() -> World:
    """Twelve days of 60 events with every oddity. The time is noon of the last day."""
    return World(
        accounts={"acme": KEY},
        first_day=date(2026, 1, 25),
        days=12,
        events_per_day=60,
        now=datetime(2026, 2, 5, 12, tzinfo=UTC),
    )


@pytest.fixture
def server(world: World) -> Iterator[FalServer]:
    """The world over HTTP."""
    with FalServer(world) as server:
        yield server


@pytest.fixture
def landing(tmp_path: Path) -> Path:
    """The landing folder, which does not exist yet."""
    return tmp_path / "landing"


@pytest.fixture
def set_clock(monkeypatch: pytest.MonkeyPatch, world: World) -> Callable[[datetime], None]:
    """Set the time of the loaders and the server."""

    def set_to(moment: datetime) -> None:
        world.now = moment
        monkeypatch.setattr(clock, "utc_now", lambda: moment)

    return set_to


@pytest.fixture
def run(
    server: FalServer,
    landing: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    set_clock: Callable[[datetime], None],
    world: World,
) -> Run:
    """Run a command of the loaders with all settings and very short pauses between attempts."""
    monkeypatch.setenv("FAL_KEY", KEY)
    monkeypatch.setenv("FAL_API_URL", server.url)
    monkeypatch.setenv("FAL_ACCOUNT", "acme")
    monkeypatch.setenv("FAL_LANDING_DIR", str(landing))
    monkeypatch.setenv("FAL_RETRY_MAX_WAIT", "0.01")
    monkeypatch.setenv("FAL_TIMEOUT", "5")
    set_clock(world.now)

    def run(*args: object) -> Result:
        capsys.readouterr()
        code = main([str(arg) for arg in args])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return run


@pytest.fixture
def loads(landing: Path) -> Loads:
    """The loads of a partition, oldest first. The partition is a folder or glob below the landing folder."""
    return lambda partition: [Landed(folder) for folder in sorted(landing.glob(f"{partition}/load=*"))]


def environment(server: FalServer, landing: Path) -> dict[str, str]:
    """Return the environment of a loader process."""
    return os.environ | {
        "FAL_API_URL": server.url,
        "FAL_KEY": KEY,
        "FAL_ACCOUNT": "acme",
        "FAL_LANDING_DIR": str(landing),
        "FAL_RETRY_MAX_WAIT": "0.01",
    }


@dataclass(frozen=True)
class Feed:
    """A list endpoint: the command that lands a load of it, its partition, and how its errors begin.

    rows: the most rows of a page of its tests, so that there are several pages.
    """

    command: tuple[object, ...]
    partition: str
    request: str
    rows: int
    path: str


WINDOW = ("--start", "2026-01-26", "--end", "2026-01-27")
OF_DAY = "(2026-01-26T00:00:00Z to 2026-01-27T00:00:00Z)"
FEEDS = {
    "events": Feed(
        ("billing-events", *WINDOW),
        "billing_events/account=acme/date=2026-01-26",
        f"GET /models/billing-events {OF_DAY}: ",
        10,
        "/v1/models/billing-events",
    ),
    "team": Feed(
        ("billing-events", *WINDOW, "--organization"),
        "billing_events/account=acme/team=acme/date=2026-01-26",
        f"GET /organization/billing-events of acme {OF_DAY}: ",
        10,
        "/v1/organization/billing-events",
    ),
    "usage": Feed(
        ("serverless-usage", *WINDOW),
        "serverless_usage/account=acme/date=2026-01-26",
        f"GET /serverless/usage {OF_DAY}: ",
        1,
        "/v1/serverless/usage",
    ),
    "keys": Feed(
        ("catalogue", "keys"),
        "catalogue/account=acme/source=keys/date=2026-02-05",
        "GET /keys: ",
        1,
        "/v1/keys",
    ),
}


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest, server: FalServer) -> Feed:
    """Each list endpoint in turn, with several pages, which do not move."""
    feed = FEEDS[request.param]
    server.world.oddities = replace(Oddities.all(), shifted_pages=False)
    serve_pages(server, feed)
    return feed


def serve_pages(server: FalServer, feed: Feed, rows: int | None = None) -> None:
    """Make all feeds of a server have data, with at most some rows a page."""
    server.page_cap = rows or feed.rows
    server.world.switches = Switches(serverless=True, surge=True, unnamed_app=True)
    server.world.teams = {"acme": [Team("acme", "Acme")]}


def day_of(day: str, account: str = "acme") -> str:
    """Return the partition of a day of billing events."""
    return f"billing_events/account={account}/date={day}"


def tree(folder: Path) -> set[str]:
    """List all files and folders below a folder, except the work folder."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*"))
    return {path for path in found if not path.startswith(".work")}


def unfinished(landing: Path) -> set[str]:
    """List the content of the work folder, except locks and folders of accounts."""
    work = landing / ".work"
    found = {str(path.relative_to(work)) for path in work.rglob("*") if path.name != "lock"}
    return {path for path in found if not re.fullmatch("account=[^/]*|pruned", path)}
