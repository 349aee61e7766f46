"""The cost of builds: `python -m benchmarks.builds [--days N] [--fewer N] [--events N] ...`.

One run measures the first `dbt build` of one event, which is dbt's fixed cost; a hand-written query over the
pages of some days; the first build of these days; a build without new data; a build of a new day, also after
fewer days; and the look-up of one request. It prints peak memory and disk usage as well.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.landing_zone import write_days
from benchmarks.measure import Cost, measure_command, print_ratio

FIRST_DAY = date(2025, 1, 1)

# types, deduplicates and sums the events of the same pages; keeps numbers of 16 digits and more
QUERY = """
    with pages as (
        select from_json(
            case
                when regexp_matches(cast("json" as varchar), '[0-9][0-9.]{15}')
                    then regexp_replace(
                        cast("json" as varchar),
                        '"(output_units|unit_price|cost_estimate_nano_usd)"\\s*:\\s*(-?[0-9][-+0-9.eE]*)',
                        '"\\1":"\\2"',
                        'g'
                    )
                else "json"
            end,
            '{"billing_events":[{"request_id":"VARCHAR","endpoint_id":"VARCHAR","timestamp":"VARCHAR",
              "output_units":"VARCHAR","unit_price":"VARCHAR","percent_discount":"VARCHAR",
              "cost_estimate_nano_usd":"VARCHAR","cost_subtotal":"VARCHAR","auth_method":"VARCHAR"}]}'
        ).billing_events as events
        from read_json_objects(?, format = 'newline_delimited', ignore_errors = true)
    ),
    events as (select unnest(events, recursive := true) from (select unnest(events) as events from pages)),
    once as (
        select
            request_id,
            endpoint_id,
            cast("timestamp" as timestamptz) as billed_at,
            cast(unit_price as decimal(38, 18)) as unit_price,
            cast(output_units as decimal(38, 9)) as output_units,
            max(cast(cost_estimate_nano_usd as decimal(38, 9))) as cost,
            any_value(auth_method) as auth_method
        from events
        group by all
    )
    select
        endpoint_id,
        auth_method,
        cast(billed_at as date) as charge_date,
        unit_price,
        sum(output_units) as output_units,
        sum(cost) as cost,
        count(*) as events
    from once
    group by all
"""


def print_cost(what: str, cost: Cost) -> None:
    """Print a line of the result."""
    print(
        f"{what:45} {cost.wall:8.1f} s, {cost.cpu:8.1f} s of CPU, {cost.peak / 1e9:.2f} GB at most",
        flush=True,
    )


def measure_size(folder: Path) -> float:
    """Return the MB of the files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


@dataclass(frozen=True)
class Project:
    """A landing zone and its warehouse in a folder."""

    folder: Path
    shape: tuple[int, int, int]  # events a day, endpoints, keys

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def land(self, first: int, days: int) -> None:
        """Land some days. first: the number of the first one, from 0."""
        write_days(self.landing, FIRST_DAY + timedelta(days=first), days, *self.shape)

    def build(self, what: str) -> Cost:
        """Run a complete dbt build; print and return its cost."""
        return self.run_dbt(what, "build")

    def run_dbt(self, what: str, *command: str) -> Cost:
        """Run a command of dbt; print and return its cost."""
        program = str(Path(sys.executable).with_name("dbt"))
        folders = ("--log-path", str(self.folder), "--target-path", str(self.folder / "target"))
        cost, _ = measure_command(
            [program, "--quiet", *command, *folders],
            FAL_WAREHOUSE=str(self.warehouse),
            FAL_LANDING_DIR=str(self.landing),
            FAL_PUBLISH_DIR=str(self.folder / "published"),
        )
        print_cost(what, cost)
        return cost

    def build_all(self, days: int) -> tuple[Cost, Cost, Cost]:
        """Return the costs of a first build, of a build without new data, and of a build of a new day."""
        first = self.build(f"first build of {days} days x {self.shape[0]:,}")
        nothing = self.build("a build when nothing is new")
        print_slowest(self.folder / "target")
        self.land(days, 1)
        daily = self.build(f"a build of a new day after {days} days")
        print_slowest(self.folder / "target")
        return first, nothing, daily


def run_query(folder: str) -> None:
    """Run the hand-written query over a landing zone, and print the number of rows."""
    with duckdb.connect(config={"threads": 2}) as connection:
        connection.execute("set TimeZone = 'UTC'")
        pattern = f"{folder}/billing_events/*/*/*/page-*.json.gz"
        print(len(connection.execute(QUERY, [pattern]).fetchall()))


def compare_builds(folder: Path, shape: tuple[int, int, int], days: int, fewer: int) -> None:
    """Print the figures and the ratios."""
    one = Project(folder / "one", (1, 1, 1))
    short, long = Project(folder / "short", shape), Project(folder / "long", shape)
    one.land(0, 1)
    fixed = one.build("first build of one event")
    if fewer:
        short.land(0, fewer)
        *_, short_daily = short.build_all(fewer)
    long.land(0, days)
    query = measure_command([sys.executable, "-m", "benchmarks.builds", "--query", str(long.landing)])[0]
    print_cost("a hand-written query", query)
    first, nothing, daily = long.build_all(days)
    above_fixed = (first.wall - fixed.wall) / query.wall
    print(f"first build beside that of one event: {above_fixed:.2f} x the query")
    print_ratio("builds: first build ÷ the first build of one event", first.cpu / fixed.cpu)
    print_ratio("builds: a new day ÷ a build when nothing is new", daily.cpu / nothing.cpu)
    if fewer:
        print(f"a new day: {daily.wall / short_daily.wall:.2f} x the same after {fewer} days")
    disk = long.warehouse.stat().st_size / 1e6
    print(f"landing zone {measure_size(long.landing):.0f} MB, warehouse {disk:.0f} MB")
    look_up(long, days // 2)


def main() -> int:
    """Compare builds, or run only the query."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builds", description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument(
        "--fewer",
        type=int,
        metavar="DAYS",
        default=10,
        help="a new day after fewer days, too, unless 0",
    )
    parser.add_argument("--events", type=int, default=100_000, help="a day")
    parser.add_argument("--endpoints", type=int, default=40)
    parser.add_argument("--keys", type=int, default=5)
    parser.add_argument("--query", metavar="FOLDER", help="run only the hand-written query")
    options = parser.parse_args()
    if options.query:
        run_query(options.query)
        return 0
    shape = (options.events, options.endpoints, options.keys)
    with tempfile.TemporaryDirectory() as name:
        compare_builds(Path(name), shape, options.days, options.fewer)
    return 0


def look_up(project: Project, day: int) -> None:
    """Print the time to find one request by its day and id."""
    with duckdb.connect(str(project.warehouse), read_only=True) as connection:
        ((rows,),) = connection.execute("select count(*) from focus.cost_and_usage").fetchall()
        date = str(FIRST_DAY + timedelta(days=day))
        one = "select request_id from staging.stg_fal__billing_events where charge_date = ? limit 1"
        ((request,),) = connection.execute(one, [date]).fetchall()
        events = "from staging.stg_fal__billing_events where charge_date = ? and request_id = ?"
        began = time.perf_counter()
        assert len(connection.execute(events, [date, request]).fetchall()) == 1
        took = time.perf_counter() - began
        print(f"{rows:,} mart rows; one request by its day and id: {took:.3f} s")


def print_slowest(target: Path) -> None:
    """Print the five slowest nodes."""
    results = json.loads((target / "run_results.json").read_text())["results"]
    results.sort(key=lambda result: result["execution_time"], reverse=True)
    for result in results[:5]:
        print(f"    {result['execution_time']:6.2f} s  {result['unique_id']}")


if __name__ == "__main__":
    sys.exit(main())
