"""Compare every mart of two checkouts: `python -m tests.end_to_end.compare CHECKOUT [--target spark]`.

Builds the same landing zones with this checkout and with another one: the sample, 40 days with every oddity,
and random landing zones with their commitments, all without product lines. Compares the marts and the columns
that both checkouts have.
Prints new ones, and the rows and column types that differ or are lost, and exits with 1 if any are.
"""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import duckdb

from tests.end_to_end.bill_rows import ESTIMATE, EVENTS, INVOICE, SERVERLESS, Account
from tests.end_to_end.conftest import ROOT, Warehouse, copy_project, run
from tests.end_to_end.dbt_processes import DBT
from tests.end_to_end.random_zones import OTHER_NAMES, random_zone, write_account, write_seeds
from tests.end_to_end.test_bill import DAYS, FIRST_DAY, KEY, Bill
from tests.fal_server.server import FalServer
from tests.fal_server.switches import Switches
from tests.fal_server.world import World

DATA_ONLY = ("--exclude-resource-type", "test", "unit_test")
COMPARED = "table_schema in ('focus', 'focus_1_4', 'finops', 'api') or table_name like 'base_fal__typed_%'"
# Records with equal keys are numbered in the order of storage, which can differ.
# Descriptions of columns and rules are prose: a change of their words is not a change of data.
NOT_COMPARED = {
    "api.cost_and_usage_records": ("record_number",),
    "api.schema_columns": ("description", "column_position"),
    "api.schema_columns_1_4": ("description", "column_position"),
    "focus.schema_metadata": ("description", "column_position"),
    "focus.conformance_report": (
        "rule_text",
        "how_checked",
        "why_not_checked",
        "rows_checked",
        "encoding_differs",
    ),
}
# A row for each column of the marts: a new column is a new row.
ROWS_OF_COLUMNS = ("api.schema_columns", "api.schema_columns_1_4", "focus.schema_metadata")
SHOWN = 3
ZONES = 12


def forty_days(landing: Path) -> None:
    """Make the landing zone of the end-to-end tests, with fewer events a day."""
    world = World(
        seed=11,
        accounts={"acme": KEY},
        first_day=FIRST_DAY,
        days=DAYS,
        events_per_day=800,
        oddities=True,
        switches=Switches(no_structured_auth=True),
    )
    with FalServer(world) as server:
        Bill(world, server, landing, Warehouse(landing, ""), Warehouse).load_all()


def without_lines(account: Account) -> Account:
    """Return an account as it landed before there were product lines, keys and persons of events."""
    others = {
        (EVENTS, "api_key_id"),
        (EVENTS, "login_username"),
        *((f, "service") for f in (ESTIMATE, INVOICE)),
    }
    loads = [
        replace(
            load,
            rows=tuple(
                replace(row, **{field: None for feed, field in others if feed == load.feed})
                for row in load.rows
                if load.feed == EVENTS or not {row.resource, row.sku} & set(OTHER_NAMES)
            ),
        )
        for load in account.loads
        if load.feed != SERVERLESS
    ]
    return replace(account, loads=loads, apps=(), endpoints=())


def build(checkout: Path, target: str, landing: Path, folder: Path) -> None:
    """Build a landing zone with the models of a checkout, into a folder."""
    where = ("--project-dir", str(checkout), "--profiles-dir", str(checkout), "--target", target)
    kept = ("--target-path", str(folder / "target"), "--log-path", str(folder / "target"))
    done = run(
        [DBT, "--no-use-colors", "build", *where, *kept, *DATA_ONLY],
        cwd=checkout,
        FAL_LANDING_DIR=landing,
        FAL_WAREHOUSE=folder / "warehouse.duckdb",
        FAL_PUBLISH_DIR=folder / "published",
        FAL_SPARK_WAREHOUSE=folder / "spark",
        PYTHONPATH=checkout,
    )
    if done.code:
        sys.exit(done.output)


def relations(target: str, folder: Path, database: str) -> dict[str, str]:
    """Map the name of each mart and typed feed to its relation in SQL. On Spark, views have no files."""
    if target == "spark":
        tables = [table for table in (folder / "spark").glob("*.db/*") if any(table.rglob("*.parquet"))]
        files = "read_parquet('{}/**/*.parquet', hive_partitioning = true)"
        return {
            f"{table.parent.stem}.{table.name}": files.format(table)
            for table in tables
            if table.parent.stem in ("focus", "focus_1_4", "finops")
            or table.name.startswith("base_fal__typed_")
        }
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as connection:
        tables = connection.execute(
            f"select table_schema, table_name from information_schema.tables where {COMPARED}"
        ).fetchall()
    return {f"{schema}.{table}": f'{database}.{schema}."{table}"' for schema, table in tables}


def columns_of(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Return the type of each column of a relation."""
    return {name: kind for name, kind, *_ in connection.execute(f"describe from {relation}").fetchall()}


def row_differences(
    connection: duckdb.DuckDBPyConnection, name: str, relations: Sequence[str]
) -> Iterator[str]:
    """Yield a line for each column and row of a mart that was lost, changed or added."""
    before, after = (columns_of(connection, relation) for relation in relations)
    both = [column for column in before if column in after]
    yield from (f"{name}: column {column} was lost" for column in before if column not in after)
    yield from (
        f"{name}: column {column} became {after[column]}"
        for column in both
        if before[column] != after[column]
    )
    compared = [
        f'"{column}"'
        for column in both
        if before[column] == after[column] and column not in NOT_COMPARED.get(name, ())
    ]
    old, new = (f"select {', '.join(compared)} from {relation}" for relation in relations)
    lost, added = ("-", old, new), ("+", new, old)
    for mark, one, other in (lost,) if name in ROWS_OF_COLUMNS else (lost, added):
        rows = connection.execute(f"{one} except all {other}").fetchall()
        yield from (f"{mark} {name}: {row}" for row in rows[:SHOWN])
        if len(rows) > SHOWN:
            yield f"{mark} {name}: and {len(rows) - SHOWN} more rows"


def compare_builds(target: str, before: Path, after: Path) -> tuple[list[str], list[str]]:
    """Return the differences between two builds, and the marts and columns that only the second one has."""
    with duckdb.connect() as connection:
        connection.execute("set TimeZone = 'UTC'")
        if target == "duckdb":
            for name, folder in (("before", before), ("after", after)):
                connection.execute(f"attach '{folder / 'warehouse.duckdb'}' as {name} (read_only)")
        old, new = relations(target, before, "before"), relations(target, after, "after")
        found = [f"{name}: was lost" for name in sorted(set(old) - set(new))]
        added = sorted(set(new) - set(old))
        for name in sorted(set(old) & set(new)):
            found += row_differences(connection, name, (old[name], new[name]))
            columns = columns_of(connection, old[name])
            added += [
                f"{name}.{column}" for column in columns_of(connection, new[name]) if column not in columns
            ]
    return found, added


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.end_to_end.compare", description=__doc__)
    parser.add_argument("checkout", type=Path, help="the folder of the other checkout")
    parser.add_argument("--target", choices=("duckdb", "spark"), default="duckdb", help="the engine")
    arguments = parser.parse_args()
    has_differences = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        zones = [random_zone(str(number)) for number in range(ZONES)]
        accounts = [without_lines(account) for zone in zones for account in zone.accounts]
        landings = {"the sample": arguments.checkout / "sample"}
        landings |= {zone: folder / zone / "landing" for zone in ("40 days", "random zones")}
        forty_days(landings["40 days"])
        for account in accounts:
            write_account(landings["random zones"], account)
        checkouts = {"before": arguments.checkout, "after": ROOT}
        for label, checkout in checkouts.items():
            copy_project(folder / label, checkout)
            write_seeds(folder / label / "seeds", accounts)
        for zone, landing in landings.items():
            for label, checkout in checkouts.items():
                project = folder / label if zone == "random zones" else checkout
                build(project, arguments.target, landing, folder / f"{zone} {label}")
            found, added = compare_builds(
                arguments.target, folder / f"{zone} before", folder / f"{zone} after"
            )
            print(f"{zone}: {len(found) or 'no'} differences", *found, sep="\n")
            print("new:", ", ".join(added) or "none", flush=True)
            has_differences |= bool(found)
    sys.exit(has_differences)


if __name__ == "__main__":
    main()
