"""Simulates a machine that kills a loader, or refuses its file operations, at any step.

Processes are forked from one with all libraries and without threads.
"""

import contextlib
import ctypes
import io
import multiprocessing
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from datetime import date
from errno import ENOSPC
from pathlib import Path
from typing import Any

from loaders import catalogue, serverless_usage
from loaders.api import FalApi
from loaders.billing_events import DEFAULT_PAGE_SIZE, land_day
from loaders.cli import main
from loaders.landing import LandingZone
from loaders.settings import ApiSettings
from tests.loaders.conftest import KEY, Landed

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload([__name__])

STEPS = ("mkdir", "rename", "replace", "unlink", "rmdir", "fsync", "open")
Happening = Callable[..., Any]  # called with the name and the arguments of a step


def command(arguments: list[str], settings: dict[str, str], output: Path, before: Callable[[], None]) -> None:
    """Run the command line in this process, a fork, with its output in a file, and exit."""
    skip_fsync()
    sys.stdout = sys.stderr = output.open("w")
    os.environ.update(settings)
    before()
    code = main(arguments)
    sys.stdout.flush()
    os._exit(code)


def skip_fsync() -> None:
    """Do not wait for the disk: only this process dies, not the machine. The call still counts as a step."""
    os.fsync = os.fstat


def nothing() -> None:
    """Do nothing."""


def write_at_most(size: int, *, die: bool) -> None:
    """Limit the size of files from now on; a larger write kills the process (SIGXFSZ) or fails (EFBIG)."""
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL if die else signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


@contextlib.contextmanager
def happening(at: int, happen: Happening) -> Iterator[list[str]]:
    """Call `happen` before each file operation from step `at`, counted from 0. Returns the list of steps.

    A step is a call that creates, renames or deletes, opens a file for writing, or waits for the disk. A
    result of `happen` replaces the step.
    """
    done: list[str] = []
    true = {(os, name): getattr(os, name) for name in STEPS[:-1]} | {(io, "open"): io.open}

    def watched(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def step(*args: Any, **more: Any) -> Any:  # noqa: ANN401
            if name == "open" and not set("wax") & set(args[1]):
                return function(*args, **more)
            done.append(name)
            instead = happen(name, *args) if len(done) > at else None
            return function(*args, **more) if instead is None else instead

        return step

    for (module, name), function in true.items():
        setattr(module, name, watched(name, function))
    try:
        yield done
    finally:
        for (module, name), function in true.items():
            setattr(module, name, function)


def die(*_: object) -> None:
    """Die as with kill -9."""
    os.kill(os.getpid(), signal.SIGKILL)


def disk_full(step: str, *args: object) -> io.BufferedIOBase | None:
    """Simulate a full disk: files can be opened, and writes fail."""
    if step == "open" and args[1] in ("wb", "xb", "ab"):
        return open("/dev/full", "wb")  # noqa: PTH123
    if step in ("mkdir", "rename", "replace", "fsync"):
        raise OSError(ENOSPC, os.strerror(ENOSPC))
    return None


def land(api: FalApi, landing: Path, day: date, feed: str = "events") -> None:
    """Land a day of billing events, of an account or a team, or of serverless usage, or the keys."""
    with LandingZone(landing).open_account("acme") as zone:
        if feed == "usage":
            serverless_usage.land_day(api, zone, "acme", day)
        elif feed == "keys":
            catalogue.land_snapshot(api, zone, "acme", "keys")
        else:
            land_day(api, zone, "acme", day, DEFAULT_PAGE_SIZE, "acme" if feed == "team" else None)


def die_at_every_step(url: str, folder: Path, day: date, feed: str) -> None:
    """Land a day in folder/0, folder/1, ... with processes that die at step 0, 1, ... until one succeeds."""
    skip_fsync()
    with FalApi(ApiSettings(url, KEY)) as api:
        for at in range(1000):
            child = os.fork()
            if child == 0:
                with happening(at, die):
                    land(api, folder / str(at), day, feed)
                os._exit(0)
            _, status = os.waitpid(child, 0)
            if status == 0:
                return
            assert os.WTERMSIG(status) == signal.SIGKILL


def prune_and_die(landing: Path, at: int) -> None:
    """Prune, and die at a step."""
    with happening(at, die):
        LandingZone(landing).prune(1)


def may_only_read(landing: Path) -> None:
    """Remove the write permission of a folder, and the capabilities of root to ignore it."""
    for path in (landing, *landing.rglob("*")):
        path.chmod(0o555 if path.is_dir() else 0o444)
    if os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3, this process
        capabilities = (ctypes.c_uint32 * 6)()
        assert libc.capget(header, capabilities) == 0
        capabilities[0] &= ~0b110  # effective: CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        assert libc.capset(header, capabilities) == 0


def write_only_below(folder: Path) -> None:
    """Refuse to write, create, rename or delete files outside a folder from now on."""

    def watch(event: str, args: tuple[Any, ...]) -> None:
        if event == "open":
            writes = isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            paths = args[:1] if writes else ()
        else:
            paths = args[: {"os.mkdir": 1, "os.rename": 2, "os.remove": 1, "os.rmdir": 1}.get(event, 0)]
        for path in paths:
            if isinstance(path, str | os.PathLike) and not Path(path).is_relative_to(folder):
                raise AssertionError(f"{event} of {path}")

    sys.addaudithook(watch)


def latest_loads(landing: Path) -> dict[str, tuple[list[bytes], dict[str, Any]]]:
    """Return the bodies and the manifest, without its times, of the latest load of each partition."""
    latest = {load.parent: load for load in sorted(landing.glob("*/*/**/load=*"))}
    found = {}
    for partition, load in latest.items():
        manifest = Landed(load).manifest
        del manifest["load_id"], manifest["fetched_at"]
        found[str(partition.relative_to(landing))] = (Landed(load).bodies, manifest)
    return found
