"""Readers in a loop while complete builds publish: `python -m benchmarks.readers [--builds N] [--readers N]`.

A day lands before each build, so all publications differ. A third of the readers opens a connection for each
read, a third keeps its connection, and a third reads the Parquet files. The benchmark fails if a reader
fails, reads a state that was never published, or misses a publication with a new connection.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

from benchmarks.measure import print_ratio
from tests.end_to_end.landing_zone import event, page, write_events
from tests.publishing.readers import KINDS, ROOT, check, connect, database_state, parquet_state, reading


def build(folder: Path, number: int) -> float:
    """Land a day, run a build with all data tests, and return its seconds."""
    day = date(2026, 1, 1) + timedelta(days=number)
    events = [event(f"r{number}-{n}", timestamp=f'"{day}T09:30:00Z"') for n in range(100 + number)]
    write_events(folder / "landing", "acme", str(day), [page(*events)])
    dbt = [str(Path(sys.executable).with_name("dbt")), "--quiet", "--log-path", str(folder), "build"]
    settings = {
        "FAL_LANDING_DIR": str(folder / "landing"),
        "FAL_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "FAL_PUBLISH_DIR": str(folder / "published"),
    }
    command = [*dbt, "--exclude-resource-type", "unit_test", "--target-path", str(folder / "target")]
    began = time.perf_counter()
    subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> int:
    """Print the times of the builds and the number of reads."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.readers", description=__doc__.splitlines()[0])
    parser.add_argument("--builds", type=int, default=20)
    parser.add_argument("--readers", type=int, default=8)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        published = folder / "published"
        seconds, databases, files = [build(folder, 0)], [], []
        kinds = [KINDS[number % len(KINDS)] for number in range(options.readers)]
        with reading(published, folder, kinds) as readers:
            for number in range(options.builds):
                if number > 0:
                    seconds.append(build(folder, number))
                with connect(published) as connection:
                    databases.append(database_state(connection))
                files.append(parquet_state(published))
                readers.wait()
                print(f"{seconds[-1]:6.1f} s  build {number + 1}, {readers.reads:,} reads so far", flush=True)
            reads = readers.reads
        check(readers, databases, files)
        print(
            f"{options.builds} builds of {sum(seconds) / len(seconds):.1f} s on average,"
            f" {options.readers} readers, {reads:,} reads: no error, only published states"
        )
        if options.builds > 1:
            beside = sum(seconds[1:]) / (options.builds - 1)
            print_ratio("readers: a build beside 8 readers ÷ the first build, without", beside / seconds[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
