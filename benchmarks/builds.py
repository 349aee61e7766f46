"""What builds cost: `python -m benchmarks.builds [--days N] [--fewer N] [--events N] ...`.

In one run: dbt's fixed cost, which is the first `dbt build` of one event; a hand-written query over the pages
of so many days; the first build of them; one when nothing is new; one of a new day, which is compared with
the same after fewer days; and looking up one request. Each with its peak memory, and its disk.
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
from benchmarks.measure import Cost, measured, print_ratio

FIRST_DAY = date(2025, 1, 1)

# events typed, counted once and added up, from the same pages; numbers of 16 digits and more are kept
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


def say(what: str, cost: Cost) -> None:
    """A line of the result."""
    print(
        f"{what:45} {cost.wall:8.1f} s, {cost.cpu:8.1f} s of CPU, {cost.peak / 1e9:.2f} GB at most",
        flush=True,
    )


def size(folder: Path) -> float:
    """MB of the files in a folder."""
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


@dataclass(frozen=True)
class Project:
    """A landing zone below a folder, and what it is built into."""

    folder: Path
    shape: tuple[int, int, int]  # events a day, endpoints, keys

    @property
    def landing(self) -> Path:
        return self.folder / "landing"

    @property
    def warehouse(self) -> Path:
        return self.folder / "warehouse.duckdb"

    def land(self, first: int, days: int) -> None:
        """Land so many days, from the first on, counted from 0."""
        write_days(self.landing, FIRST_DAY + timedelta(days=first), days, *self.shape)

    def build(self, what: str) -> Cost:
        """A whole dbt build, and what it cost."""
        program = str(Path(sys.executable).with_name("dbt"))
        folders = ("--log-path", str(self.folder), "--target-path", str(self.folder / "target"))
        cost, _ = measured(
            [program, "--quiet", "build", *folders],
            FAL_WAREHOUSE=str(self.warehouse),
            FAL_LANDING_DIR=str(self.landing),
            FAL_PUBLISH_DIR=str(self.folder / "published"),
        )
        say(what, cost)
        return cost

    def build_all(self, days: int) -> tuple[Cost, Cost, Cost]:
        """What the first build of so many days costs, one when nothing is new, and one of a new day."""
        first = self.build(f"first build of {days} days x {self.shape[0]:,}")
        nothing = self.build("a build when nothing is new")
        slowest(self.folder / "target")
        self.land(days, 1)
        daily = self.build(f"a build of a new day after {days} days")
        slowest(self.folder / "target")
        return first, nothing, daily


def main() -> int:
    """Print the figures and the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builds", description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=100)
    parser.add_argument(
        "--fewer", type=int, metavar="DAYS", default=10, help="what a new day is compared with; 0: nothing"
    )
    parser.add_argument("--events", type=int, default=100_000, help="a day")
    parser.add_argument("--endpoints", type=int, default=40)
    parser.add_argument("--keys", type=int, default=5)
    parser.add_argument("--query", metavar="FOLDER", help="run the hand-written query alone")
    options = parser.parse_args()
    if options.query:
        with duckdb.connect(config={"threads": 2}) as connection:
            connection.execute("set TimeZone = 'UTC'")
            pattern = f"{options.query}/billing_events/*/*/*/page-*.json.gz"
            print(len(connection.execute(QUERY, [pattern]).fetchall()))
        return 0

    with tempfile.TemporaryDirectory() as name:
        shape = (options.events, options.endpoints, options.keys)
        one = Project(Path(name) / "one", (1, 1, 1))
        short, long = Project(Path(name) / "short", shape), Project(Path(name) / "long", shape)
        one.land(0, 1)
        fixed = one.build("first build of one event")
        if options.fewer:
            short.land(0, options.fewer)
            *_, short_daily = short.build_all(options.fewer)
        long.land(0, options.days)
        query = measured([sys.executable, "-m", "benchmarks.builds", "--query", str(long.landing)])[0]
        say("a hand-written query", query)
        first, nothing, daily = long.build_all(options.days)
        above_fixed = (first.wall - fixed.wall) / query.wall
        print(f"first build beside that of one event: {above_fixed:.2f} x the query")
        print_ratio("builds: first build ÷ the first build of one event", first.cpu / fixed.cpu)
        print_ratio("builds: a new day ÷ a build when nothing is new", daily.cpu / nothing.cpu)
        if options.fewer:
            print(f"a new day: {daily.wall / short_daily.wall:.2f} x the same after {options.fewer} days")
        disk = long.warehouse.stat().st_size / 1e6
        print(f"landing zone {size(long.landing):.0f} MB, warehouse {disk:.0f} MB")
        look_up(long, options.days // 2)
    return 0


def look_up(project: Project, day: int) -> None:
    """Find one request by its day and id."""
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


def slowest(target: Path) -> None:
    """The nodes that took longest."""
    results = json.loads((target / "run_results.json").read_text())["results"]
    results.sort(key=lambda result: result["execution_time"], reverse=True)
    for result in results[:5]:
        print(f"    {result['execution_time']:6.2f} s  {result['unique_id']}")


if __name__ == "__main__":
    sys.exit(main())
