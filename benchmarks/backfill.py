"""A backfill of small days from a slow server: `python -m benchmarks.backfill [--days N] [--delay S] ...`.

The loader fetches a year of 200 events a day, so one request a day, with --concurrency 1, 4 (the default) and
8. The local server answers after 50 ms.
"""

import argparse
import shutil
import sys
import tempfile
from datetime import date, timedelta
from pathlib import Path

from benchmarks.measure import Cost, measure_loader, pick_best, print_ratio, run_page_server

FIRST_DAY = date(2025, 1, 1)
EVENTS_PER_DAY = 200
CONCURRENCIES = (1, 4, 8)


def main() -> int:
    """Print the time for each concurrency, and the ratios to one day at a time."""
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
        run_page_server(options.days, EVENTS_PER_DAY, EVENTS_PER_DAY, options.delay) as url,
        tempfile.TemporaryDirectory() as name,
    ):
        folder = Path(name, "landed")
        for _ in range(options.repeats):
            for concurrency in CONCURRENCIES:
                cost = measure_loader(url, FIRST_DAY, end, folder, concurrency)
                landed = len(list(folder.rglob("manifest.json")))
                if landed != options.days:
                    raise SystemExit(f"{landed} days landed of {options.days}")
                costs[concurrency].append(cost)
                shutil.rmtree(folder)
    least = {concurrency: pick_best(runs) for concurrency, runs in costs.items()}
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
