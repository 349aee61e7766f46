"""Measures the cost of commands, and runs the page server for benchmarks of the loaders."""

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
    """The seconds, the seconds of CPU (user and system) and the peak memory in bytes of a command.

    They include the start of its process and the processes that it waited for.
    """

    wall: float
    cpu: float
    peak: int


def pick_best(costs: Sequence[Cost]) -> Cost:
    """Return the least times of several runs, since other load only adds to them, and the most memory."""
    return Cost(
        min(cost.wall for cost in costs), min(cost.cpu for cost in costs), max(cost.peak for cost in costs)
    )


def print_ratio(name: str, value: float) -> None:
    """Print a ratio. `python -m benchmarks` compares it with the row `name` in benchmarks/README.md."""
    print(f"ratio {name} = {value:.4f}", flush=True)


def measure_command(command: Sequence[str], **settings: str) -> tuple[Cost, str]:
    """Run a command with these environment variables; return its cost and its output. It must end with 0.

    The calling process must be small, since a new process counts the memory of its parent.
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


def measure_loader(url: str, start: date, end: date, folder: Path, concurrency: int) -> Cost:
    """Return the cost of landing the billing events of a window in a folder."""
    window = ("--start", str(start), "--end", str(end))
    command = [sys.executable, "-m", "loaders", "billing-events", *window, "--concurrency", str(concurrency)]
    return measure_command(command, FAL_API_URL=url, FAL_KEY="benchmark", FAL_LANDING_DIR=str(folder))[0]


@contextmanager
def run_page_server(days: int, events_per_day: int, page_size: int, delay: float = 0.0) -> Iterator[str]:
    """Run `benchmarks.page_server` until the end of the block, and return its URL once its pages exist."""
    options = [str(option) for option in (days, events_per_day, page_size, delay)]
    command = [sys.executable, "-m", "benchmarks.page_server", *options]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin and server.stdout
        yield server.stdout.readline().strip()
        server.stdin.close()
