"""A backfill of small days from a slow server: `python -m benchmarks.backfill [--delay S] [--repeats N]`.

A year of 200 events a day, which is one request a day, from a local server that answers 50 ms after it was
asked, by the loader with --concurrency 1, 4 (the default) and 8.
"""

import argparse
import shutil
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from benchmarks.measure import Cost, best, measured_loader, page_server

FIRST_DAY = date(2025, 1, 1)
DAYS = 365
EVENTS_PER_DAY = 200
CONCURRENCIES = (1, 4, 8)


def main() -> int:
    """Print wall time by concurrency, and how many times faster than one day at a time it is."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backfill", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--delay", type=float, default=0.05, help="seconds before each answer")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    costs: dict[int, list[Cost]] = {concurrency: [] for concurrency in CONCURRENCIES}
    with (
        page_server(DAYS, EVENTS_PER_DAY, EVENTS_PER_DAY, options.delay) as url,
        tempfile.TemporaryDirectory() as name,
    ):
        folder = Path(name, "landed")
        for _ in range(options.repeats):
            for concurrency in CONCURRENCIES:
                cost = measured_loader(url, FIRST_DAY, FIRST_DAY + timedelta(DAYS), folder, concurrency)
                landed = len(list(folder.rglob("manifest.json")))
                if landed != DAYS:
                    raise SystemExit(f"{landed} days landed of {DAYS}")
                costs[concurrency].append(cost)
                shutil.rmtree(folder)
    least = {concurrency: best(runs) for concurrency, runs in costs.items()}
    print(f"{DAYS} days of {EVENTS_PER_DAY} events, {options.delay * 1000:.0f} ms a request")
    for concurrency, cost in least.items():
        print(
            f"--concurrency {concurrency}: {cost.wall:6.2f} s, {least[1].wall / cost.wall:4.1f} times faster;"
            f" CPU {cost.cpu:5.2f} s; peak {cost.peak / 2**20:3.0f} MB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
