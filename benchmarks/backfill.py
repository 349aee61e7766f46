"""A backfill of small days from a slow server: `python -m benchmarks.backfill [--days N] [--delay S] ...`.

A year of 200 events a day, which is one request a day, from a local server that answers 50 ms after it was
asked, by the loader with --concurrency 1, 4 (the default) and 8.
"""

import argparse
import shutil
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from benchmarks.measure import Cost, best, measured_loader, page_server, print_ratio

FIRST_DAY = date(2025, 1, 1)
EVENTS_PER_DAY = 200
CONCURRENCIES = (1, 4, 8)


def main() -> int:
    """Print wall time by concurrency, and how many times faster than one day at a time it is."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backfill", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--days", type=int, default=365)
    parser.add_argument("--delay", type=float, default=0.05, help="seconds before each answer")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    end = FIRST_DAY + timedelta(options.days)
    costs: dict[int, list[Cost]] = {concurrency: [] for concurrency in CONCURRENCIES}
    with (
        page_server(options.days, EVENTS_PER_DAY, EVENTS_PER_DAY, options.delay) as url,
        tempfile.TemporaryDirectory() as name,
    ):
        folder = Path(name, "landed")
        for _ in range(options.repeats):
            for concurrency in CONCURRENCIES:
                cost = measured_loader(url, FIRST_DAY, end, folder, concurrency)
                landed = len(list(folder.rglob("manifest.json")))
                if landed != options.days:
                    raise SystemExit(f"{landed} days landed of {options.days}")
                costs[concurrency].append(cost)
                shutil.rmtree(folder)
    least = {concurrency: best(runs) for concurrency, runs in costs.items()}
    print(f"{options.days} days of {EVENTS_PER_DAY} events, {options.delay * 1000:.0f} ms a request")
    for concurrency, cost in least.items():
        print(
            f"--concurrency {concurrency}: {cost.wall:6.2f} s, {least[1].wall / cost.wall:4.1f} times faster;"
            f" CPU {cost.cpu:5.2f} s; peak {cost.peak / 2**20:3.0f} MB"
        )
    for concurrency in CONCURRENCIES[1:]:
        ratio = least[concurrency].wall / least[1].wall
        print_ratio(f"backfill: time with --concurrency {concurrency} ÷ that with 1", ratio)
    return 0


if __name__ == "__main__":
    sys.exit(main())
