"""The speed of a load: `python -m benchmarks.load [--dlt PYTHON] [--events N ...] [--repeats N]`.

Several clients fetch the same window of billing events from a local server with prepared pages: the loader
(one day at a time, and four at once, the default), a bare loop of httpx that only saves bytes, and, with
--dlt, dlt's rest_api source, which writes Parquet. Each client is a separate process, measured from start to
end. They take turns, and the landed events of each are counted.

dlt needs its own Python:
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

from benchmarks.measure import Cost, measure_command, measure_loader, pick_best, print_ratio, run_page_server

FIRST_DAY = date(2025, 1, 1)
PAGE_SIZE = 10_000
EVENTS_PER_DAY = 40_000

# fetches the days from FIRST_DAY until before another into a folder; returns the cost and the events
Client = Callable[[str, date, Path], tuple[Cost, int]]


def load(url: str, end: date, folder: Path, concurrency: int) -> tuple[Cost, int]:
    """Fetch with the loader."""
    cost = measure_loader(url, FIRST_DAY, end, folder, concurrency)
    manifests = (json.loads(file.read_bytes()) for file in folder.rglob("manifest.json"))
    return cost, sum(manifest["rows"] for manifest in manifests)


def save(url: str, end: date, folder: Path) -> tuple[Cost, int]:
    """Fetch with the bare loop."""
    window = (f"{FIRST_DAY}T00:00:00Z", f"{end}T00:00:00Z")
    cost, _ = measure_command([sys.executable, "-m", "benchmarks.load_bare", url, *window, str(folder)])
    return cost, sum(file.read_bytes().count(b'"request_id"') for file in folder.iterdir())


def load_with_dlt(url: str, end: date, folder: Path, python: str) -> tuple[Cost, int]:
    """Fetch with dlt."""
    window = (f"{FIRST_DAY}T00:00:00Z", f"{end}T00:00:00Z")
    cost, printed = measure_command([python, "benchmarks/load_dlt.py", url, *window, str(folder)])
    return cost, int(printed.splitlines()[-1])


def main() -> int:
    """Print a table for each number of events."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.load",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--dlt", metavar="PYTHON", help="a Python with dlt; omitted by default")
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
        run_page_server(days, EVENTS_PER_DAY, PAGE_SIZE) as url,
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
    least = {client: pick_best(runs) for client, runs in costs.items()}
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
                print_ratio(name, find_median_ratio(costs[client], costs[peer]))


def find_median_ratio(costs: list[Cost], peer: list[Cost]) -> float:
    """Return the median ratio of CPU seconds to the peer's in the same turn: other load affects both."""
    return median(cost.cpu / other.cpu for cost, other in zip(costs, peer, strict=True))


if __name__ == "__main__":
    sys.exit(main())
