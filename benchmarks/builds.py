"""What builds cost: `python -m benchmarks.builds [--days N] [--events N] [--endpoints N] [--keys N]`.

In one run: a hand-written query over the pages of so many days; the first `dbt build` of them; one when
nothing is new; one of a new day; and looking up one request. Each with its peak memory, and its disk.
"""

import argparse
import json
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.landing_zone import write_days
from benchmarks.measure import Cost, measured

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


def main() -> int:
    """Print the figures and the ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.builds", description=__doc__.splitlines()[0])
    parser.add_argument("--days", type=int, default=100)
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
        folder = Path(name)
        landing, warehouse = folder / "landing", folder / "warehouse.duckdb"

        def build() -> Cost:
            program = str(Path(sys.executable).with_name("dbt"))
            folders = ("--log-path", name, "--target-path", str(folder / "target"))
            command = [program, "--quiet", "build", *folders]
            settings = {
                "FAL_WAREHOUSE": str(warehouse),
                "FAL_LANDING_DIR": str(landing),
                "FAL_PUBLISH_DIR": str(folder / "published"),
            }
            return measured(command, **settings)[0]

        write_days(landing, FIRST_DAY, options.days, options.events, options.endpoints, options.keys)
        query = measured([sys.executable, "-m", "benchmarks.builds", "--query", str(landing)])[0]
        say("a hand-written query", query)
        first = build()
        say(f"first build of {options.days} days x {options.events:,}", first)
        nothing = build()
        say("a build when nothing is new", nothing)
        slowest(folder / "target")
        last = FIRST_DAY + timedelta(days=options.days)
        write_days(landing, last, 1, options.events, options.endpoints, options.keys)
        daily = build()
        say("a build of a new day", daily)
        slowest(folder / "target")
        ratio = (first.wall - nothing.wall) / query.wall
        print(f"first build beside one of nothing: {ratio:.2f} x the query")
        print(f"a new day: {daily.wall / nothing.wall:.2f} x a build of nothing")
        print(f"landing zone {size(landing):.0f} MB, warehouse {warehouse.stat().st_size / 1e6:.0f} MB")
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            count = connection.execute("select count(*) from focus.cost_and_usage").fetchone()
            events = "from staging.stg_fal__billing_events where charge_date = ? and request_id = ?"
            day = str(FIRST_DAY + timedelta(days=options.days // 2))
            one = "select request_id from staging.stg_fal__billing_events where charge_date = ? limit 1"
            (request,) = connection.execute(one, [day]).fetchone() or ("",)
            began = time.perf_counter()
            assert len(connection.execute(events, [day, request]).fetchall()) == 1
            print(f"{count[0] if count else 0:,} mart rows; one request by its day and id:", end=" ")
            print(f"{time.perf_counter() - began:.3f} s")
    return 0


def slowest(target: Path) -> None:
    """The nodes that took longest."""
    results = json.loads((target / "run_results.json").read_text())["results"]
    results.sort(key=lambda result: result["execution_time"], reverse=True)
    for result in results[:5]:
        print(f"    {result['execution_time']:6.2f} s  {result['unique_id']}")


if __name__ == "__main__":
    sys.exit(main())
