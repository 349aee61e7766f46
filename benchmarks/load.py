"""The speed of a load: `python -m benchmarks.load [--dlt PYTHON] [--events N ...] [--repeats N]`.

The same window of billing events, from a local server whose pages are made beforehand, is fetched by the
loader (one day after the other, and four at once, as by default), by a bare loop of httpx that only saves
bytes, and, with --dlt, by dlt's rest_api source into Parquet. Each is a process of its own, measured from its
start to its end; they take turns, and what each has landed is counted.

dlt needs a Python of its own, made by
python3 -m venv /tmp/dlt && /tmp/dlt/bin/pip install 'dlt[parquet,filesystem]==1.31.0'
"""

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks.measure import Cost, best, measured, measured_loader, page_server, print_ratio

FIRST_DAY = date(2025, 1, 1)
PAGE_SIZE = 10_000
EVENTS_PER_DAY = 40_000

# fetches the days from FIRST_DAY until before another into a folder: what it cost, and the events it landed
Client = Callable[[str, date, Path], tuple[Cost, int]]


def load(url: str, end: date, folder: Path, concurrency: int) -> tuple[Cost, int]:
    """The loader."""
    cost = measured_loader(url, FIRST_DAY, end, folder, concurrency)
    manifests = (json.loads(file.read_bytes()) for file in folder.rglob("manifest.json"))
    return cost, sum(manifest["rows"] for manifest in manifests)


def save(url: str, end: date, folder: Path) -> tuple[Cost, int]:
    """The bare loop."""
    window = (f"{FIRST_DAY}T00:00:00Z", f"{end}T00:00:00Z")
    cost, _ = measured([sys.executable, "-m", "benchmarks.load_bare", url, *window, str(folder)])
    return cost, sum(file.read_bytes().count(b'"request_id"') for file in folder.iterdir())


def load_with_dlt(url: str, end: date, folder: Path, python: str) -> tuple[Cost, int]:
    """dlt."""
    window = (f"{FIRST_DAY}T00:00:00Z", f"{end}T00:00:00Z")
    cost, printed = measured([python, "benchmarks/load_dlt.py", url, *window, str(folder)])
    return cost, int(printed.splitlines()[-1])


def main() -> int:
    """Print a table for each number of events."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dlt", metavar="PYTHON", help="the Python that has dlt; without, dlt is left out")
    parser.add_argument(
        "--events", type=int, nargs="+", default=[200_000, 1_000_000], help="multiples of 40,000"
    )
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    clients: dict[str, Client] = {
        "loader, one day at a time": partial(load, concurrency=1),
        "loader, four days at once": partial(load, concurrency=4),
        "bare loop": save,
    }
    if options.dlt:
        clients["dlt"] = partial(load_with_dlt, python=options.dlt)
    for events in options.events:
        compare(clients, events, options.repeats)
    return 0


def compare(clients: dict[str, Client], events: int, repeats: int) -> None:
    """Run the clients in turns, and print their best times, their highest peaks, and the ratios."""
    days = events // EVENTS_PER_DAY
    costs: dict[str, list[Cost]] = {name: [] for name in clients}
    with (
        page_server(days, EVENTS_PER_DAY, PAGE_SIZE) as url,
        tempfile.TemporaryDirectory() as name,
    ):
        folder = Path(name, "landed")
        for _ in range(repeats):
            for client, fetch in clients.items():
                folder.mkdir()
                cost, landed = fetch(url, FIRST_DAY + timedelta(days), folder)
                if landed != days * EVENTS_PER_DAY:
                    raise SystemExit(f"{client} landed {landed:,} events of {days * EVENTS_PER_DAY:,}")
                costs[client].append(cost)
                shutil.rmtree(folder)
    least = {client: best(runs) for client, runs in costs.items()}
    bare = least["bare loop"]
    print(f"{days * EVENTS_PER_DAY:,} events of {days} days, the best of {repeats} runs")
    for client, cost in least.items():
        print(
            f"{client:26} {cost.wall:6.2f} s, {cost.wall / bare.wall:5.2f} x the bare loop's;"
            f" CPU {cost.cpu:6.2f} s, {cost.cpu / bare.cpu:5.2f} x the bare loop's;"
            f" peak memory {cost.peak / 2**20:3.0f} MB"
        )
    for peer in ("bare loop", "dlt"):
        for client in ("loader, one day at a time", "loader, four days at once"):
            if peer in costs:
                name = f"load: CPU of the {client} ÷ that of {'the ' if peer == 'bare loop' else ''}{peer}"
                print_ratio(name, median_ratio(costs[client], costs[peer]))


def median_ratio(costs: list[Cost], peer: list[Cost]) -> float:
    """The median of the CPU seconds divided by the peer's in the same turn: other load changes both."""
    return median(cost.cpu / other.cpu for cost, other in zip(costs, peer, strict=True))


if __name__ == "__main__":
    sys.exit(main())
