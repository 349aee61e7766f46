"""Commitments applied to many charges: `python -m benchmarks.commitments [--charges N] [--commitments N]`.

One account has a year of charges on 200 endpoints. All commitments overlap. Half are prepaid and run out, and
half are in arrears and never do, so most charges count for several. The same run copies the charges into a
table, the best of three, as the cost of reading and writing them once.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

from benchmarks.measure import ROOT, print_ratio
from tests.end_to_end.commitment_worlds import write_warehouse
from tests.end_to_end.test_commitments import MODELS

CHARGES = """
    insert into intermediate.int_charges__counted
    select
        printf('c%09d', n),
        'acme',
        timestamp '2026-01-01 00:00:00' + interval 1 day * (n % 365),
        'fal-ai/model-' || (n % 200),
        null,
        if(n % 3 = 0, 'Seconds', 'Images'),
        cast(1 + n % 7 as decimal(38, 9)),
        cast(0.025 as decimal(38, 18)),
        cast((1 + n % 7) * 0.025 as decimal(38, 18)),
        cast((1 + n % 7) * 0.025 as decimal(38, 18)),
        'billing_events',
        'Usage',
        null,
        null,
        null,
        'model_apis'
    from range(?) as charges (n)
"""

COMMITMENTS = """
    insert into seeds.fal_contract_commitments
    select
        'contract',
        'commitment-' || n,
        'Prepaid credits',
        if(n % 10 = 9, 'Usage', 'Spend'),
        null,
        if(n % 10 = 9, null, cast(if(n % 2 = 0, 2000 + n, 1000000) as decimal(38, 18))),
        if(n % 10 = 9, cast(50000 as decimal(38, 9)), null),
        if(n % 10 = 9, 'Seconds', null),
        'USD',
        cast(date '2026-01-01' + cast(n % 25 * 7 as integer) as varchar),
        cast(date '2026-07-01' + cast(n % 25 * 7 as integer) as varchar),
        'acme',
        if(n % 2 = 0, 'prepaid', 'in_arrears'),
        case when n % 5 = 0 then 'fal-ai/model-1*' end,
        null,
        null,
        null
    from range(?) as commitments (n)
"""


def copy_charges(connection: duckdb.DuckDBPyConnection) -> float:
    """Copy all charges into a table, drop it, and return the seconds of the copy."""
    began = time.perf_counter()
    connection.execute("create table copied as from intermediate.int_charges__counted")
    copying = time.perf_counter() - began
    connection.execute("drop table copied")
    return copying


def fill_warehouse(warehouse: Path, charges: int, commitments: int) -> float:
    """Write charges and commitments; return the seconds of a copy of the charges."""
    write_warehouse(warehouse, [], [])
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(CHARGES, [charges])
        connection.execute(COMMITMENTS, [commitments])
        connection.execute(
            "insert into intermediate.int_accounts__named values ('acme', 'acme', null, 'Account')"
        )
        connection.execute(
            "insert into intermediate.int_charge_days__known"
            " select 'acme', date '2026-01-01' + cast(n as integer), true from range(365) as days (n)"
        )
        return min(copy_charges(connection) for _ in range(3))


def apply_commitments(folder: Path, warehouse: Path) -> float:
    """Run the models of commitments, print the time of each, and return the sum in seconds."""
    dbt = [str(Path(sys.executable).with_name("dbt")), "--quiet", "--log-path", str(folder), "run"]
    arguments = ["--select", *MODELS, "--target-path", str(folder / "target")]
    settings = {"FAL_WAREHOUSE": str(warehouse), "FAL_LANDING_DIR": str(folder)}
    subprocess.run([*dbt, *arguments], cwd=ROOT, env={**os.environ, **settings}, check=True)
    results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    for result in results:
        print(f"{result['execution_time']:7.2f} s  {result['unique_id'].rpartition('.')[2]}")
    return float(sum(result["execution_time"] for result in results))


def main() -> int:
    """Print the time of each model, the ratio to the copy, peak memory and the size on disk."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.commitments", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--charges", type=int, default=1_000_000)
    parser.add_argument("--commitments", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warehouse = folder / "warehouse.duckdb"
        copying = fill_warehouse(warehouse, options.charges, options.commitments)
        spent = apply_commitments(folder, warehouse)
        with duckdb.connect(str(warehouse), read_only=True) as connection:
            query = "select count(*) from intermediate.int_usage__commitments_applied"
            (applied,) = connection.execute(query).fetchone() or (0,)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024**2
        print(
            f"{options.charges:,} charges, {options.commitments} commitments, {applied:,} times applied:"
            f" {spent:.1f} s, {spent / copying:.1f} x a copy of the charges ({copying:.2f} s);"
            f" peak memory {peak:.2f} GB; warehouse {warehouse.stat().st_size / 1024**2:.0f} MB"
        )
    print_ratio("commitments: time to apply them ÷ time to copy the charges", spent / copying)
    return 0


if __name__ == "__main__":
    sys.exit(main())
