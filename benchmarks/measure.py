"""What the benchmarks of the loaders share: the page server, and what a client costs, its start included."""

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
RATIO = re.compile(r"ratio (?P<name>[a-z]+: .+) = (?P<value>[0-9.]+)$")
PEAK_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes


@dataclass(frozen=True)
class Cost:
    """Seconds by the clock, seconds of CPU (user and system), and the most bytes of memory held at once.

    Of a process and those it waited for, from before its start until after its end.
    """

    wall: float
    cpu: float
    peak: int


def best(costs: Sequence[Cost]) -> Cost:
    """Of several runs: the least times, since others on the machine only add to them, and the most memory."""
    return Cost(
        min(cost.wall for cost in costs), min(cost.cpu for cost in costs), max(cost.peak for cost in costs)
    )


def print_ratio(name: str, value: float) -> None:
    """Print a ratio, which `python -m benchmarks` compares with the row `name` in benchmarks/README.md."""
    print(f"ratio {name} = {value:.4f}", flush=True)


def measured(command: Sequence[str], **settings: str) -> tuple[Cost, str]:
    """Run a command with these environment variables: what it cost, and what it printed.

    It has to end with 0. The caller must be small: a new process counts the memory of the one that made it.
    """
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, **settings}, stdout=out, stderr=err)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        for file in (out, err):
            file.seek(0)
        if process.returncode != 0:
            raise SystemExit(f"{' '.join(command)} ended with {process.returncode}: {err.read()}")
        return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * PEAK_UNIT), out.read()


def measured_loader(url: str, start: date, end: date, folder: Path, concurrency: int) -> Cost:
    """What it costs to land the billing events of a window in a folder."""
    window = ("--start", str(start), "--end", str(end))
    command = [sys.executable, "-m", "loaders", "billing-events", *window, "--concurrency", str(concurrency)]
    return measured(command, FAL_API_URL=url, FAL_KEY="benchmark", FAL_LANDING_DIR=str(folder))[0]


@contextmanager
def page_server(days: int, events_per_day: int, page_size: int, delay: float = 0.0) -> Iterator[str]:
    """The URL of `benchmarks.page_server`, from when its pages are made until the end of the block."""
    options = [str(option) for option in (days, events_per_day, page_size, delay)]
    command = [sys.executable, "-m", "benchmarks.page_server", *options]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin and server.stdout
        yield server.stdout.readline().strip()
        server.stdin.close()
