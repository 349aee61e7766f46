"""The cost of the engines: `python -m benchmarks.engines [--days N] [--events N]`, after `make test-spark`.

Runs the first `dbt build` of a landing zone on DuckDB, then on Spark, without tests.
"""

import argparse
import json
import os
import sys
import tempfile
import threading
from datetime import date
from pathlib import Path

from benchmarks.landing_zone import write_days
from benchmarks.measure import Cost, measure_command, print_ratio

FIRST_DAY = date(2025, 1, 1)


class Descendants(threading.Thread):
    """The descendants of this process: dbt, and the Java that it starts.

    `peak` is the peak memory in bytes of the largest one, `cpu` the seconds of CPU of all. They are read from
    /proc four times a second, since no process waits for the Java process of a session.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.peak, self.over = 0, threading.Event()
        self.seconds: dict[str, float] = {}

    @property
    def cpu(self) -> float:
        return sum(self.seconds.values())

    def run(self) -> None:
        ticks = os.sysconf("SC_CLK_TCK")
        while not self.over.wait(0.25):
            below = {str(os.getpid())}
            for folder in sorted(Path("/proc").glob("[0-9]*"), key=lambda file: int(file.name)):
                try:
                    status = (folder / "status").read_text()
                    # the fields after the name, which may contain spaces: state, parent, ...
                    stat = (folder / "stat").read_text().rpartition(")")[2].split()
                except OSError:  # the process has ended
                    continue
                if stat[1] in below:
                    below.add(folder.name)
                    fields = dict(line.split(":", 1) for line in status.splitlines())
                    self.peak = max(self.peak, int(fields.get("VmHWM", "0 kB").split()[0]) * 1024)
                    self.seconds[folder.name] = (int(stat[11]) + int(stat[12])) / ticks


def build(folder: Path, target: str, landing: Path) -> Cost:
    """Run a first build on an engine; return its time, and the CPU and the peak memory of its processes."""
    folders = ("--log-path", str(folder / target), "--target-path", str(folder / target))
    program = str(Path(sys.executable).with_name("dbt"))
    command = [program, "--quiet", "build", "--target", target, *folders]
    processes = Descendants()
    processes.start()
    cost, _ = measure_command(
        [*command, "--exclude-resource-type", "test", "unit_test"],
        FAL_LANDING_DIR=str(landing),
        FAL_WAREHOUSE=str(folder / "warehouse.duckdb"),
        FAL_PUBLISH_DIR=str(folder / "published"),
        FAL_SPARK_WAREHOUSE=str(folder / "spark"),
    )
    processes.over.set()
    processes.join()
    return Cost(cost.wall, processes.cpu, processes.peak)


def main() -> int:
    """Print the figures and the ratio."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--events", type=int, default=100_000, help="a day")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_days(folder / "landing", FIRST_DAY, options.days, options.events, endpoints=40, keys=5)
        seconds = {}
        for target in ("duckdb", "spark"):
            cost = build(folder, target, folder / "landing")
            seconds[target] = cost.wall
            results = json.loads((folder / target / "run_results.json").read_text())["results"]
            typed = next(r for r in results if r["unique_id"].endswith("base_fal__typed_billing_events"))
            print(
                f"{target:6} {cost.wall:6.1f} s, {typed['execution_time']:6.1f} s of it typing events,"
                f" {cost.cpu:6.1f} s of CPU, {cost.peak / 1e9:.2f} GB at most, load {os.getloadavg()[0]:.1f}",
                flush=True,
            )
        print(f"Spark takes {seconds['spark'] / seconds['duckdb']:.1f} x DuckDB's time")
        print_ratio("engines: time of Spark ÷ that of DuckDB", seconds["spark"] / seconds["duckdb"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
