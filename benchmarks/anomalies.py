"""Anomalies found in series with known incidents: `python -m benchmarks.anomalies [--accounts N] [--seed N]`.

Runs the models of finops.cost_anomalies over made-up accounts. An incident must be found in each series of
which it changes a day by more than 25 % and more than 10 USD, within three days (a drift: within 45). Each
other anomaly is a false alarm, also a second one of the same incident. Two simple rules run beside it, which
report a run of days once: three standard deviations from the mean of four weeks, and 3.5 robust ones from the
median.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb

from benchmarks.anomaly_worlds import write_accounts
from benchmarks.measure import ROOT, print_ratio

MODELS = (
    "int_anomalies__series",
    "int_anomalies__expected",
    "int_anomalies__odd_days",
    "int_anomalies__compared_costs",
    "int_anomalies__causes",
    "cost_anomalies",
)

# the inputs of the models, and the truth
WAREHOUSE = """
    create schema finops;
    create schema intermediate;
    create schema seeds;
    create schema staging;
    create schema truth;
    create table truth.costs as
    select * from read_csv(
        '{folder}/costs.csv',
        header = false,
        columns = {{
            account: 'varchar', shape: 'varchar', charge_date: 'date', model: 'varchar', api_key: 'varchar',
            team: 'varchar', list_unit_price: 'decimal(38,18)', paid_share: 'decimal(9,6)',
            quantity: 'decimal(20,3)', incident: 'int', added_cost: 'double'
        }}
    );
    create table truth.incidents as
    select * from read_csv(
        '{folder}/incidents.csv',
        header = false,
        columns = {{
            account: 'varchar', incident: 'int', kind: 'varchar', cause: 'varchar', first_date: 'date',
            end_date: 'date'
        }}
    );
    create table finops.daily_cost as
    select
        account,
        charge_date,
        'Usage' as charge_category,
        null::varchar as charge_class,
        'model_apis' as product_line,
        model as model_id,
        model as model_name,
        api_key as key_id,
        api_key as key_name,
        team,
        'Images' as unit,
        list_unit_price,
        quantity::decimal(38, 9) as quantity,
        (quantity * list_unit_price::decimal(9, 6))::decimal(38, 18) as list_cost,
        (quantity * list_unit_price::decimal(9, 6) * paid_share)::decimal(38, 18) as effective_cost
    from truth.costs
    where quantity > 0;
    create table intermediate.int_charge_days__settled as
    select distinct account, charge_date, unnest(['all', 'model_apis']) as product_line, true as is_settled
    from truth.costs;
    create table staging.stg_fal__landed_files (
        account varchar, feed varchar, landed_partition varchar, is_complete boolean
    );
    create table seeds.fal_known_events (
        account varchar, scope_type varchar, scope varchar, valid_from date, valid_to date, reason varchar
    );
"""

ALARMS = """
    create table truth.alarms as
    with series as (
        select account, scope_type, scope, charge_date, cost, learned_days
        from intermediate.int_anomalies__expected
    ),
    windows as (
        select
            *,
            avg(cost) over month as mean,
            stddev_samp(cost) over month as deviation,
            median(cost) over month as middle
        from series
        window month as (
            partition by account, scope_type, scope
            order by charge_date
            rows between 28 preceding and 1 preceding
        )
    ),
    robust as (
        select
            *,
            median(abs(cost - middle)) over (
                partition by account, scope_type, scope
                order by charge_date
                rows between 28 preceding and 1 preceding
            ) * 1.4826 as robust_deviation
        from windows
    ),
    rules as (
        select
            unnest([
                {'detector': '3 sigma', 'expected': mean, 'limit': 3 * deviation},
                {'detector': 'median', 'expected': middle, 'limit': 3.5 * robust_deviation}
            ], recursive := true),
            *
        from robust
        where learned_days >= 14
    ),
    odd as (
        select
            *,
            abs(cost - expected) > greatest("limit", 10, 0.25 * expected) as is_odd,
            sign(cost - expected) as direction
        from rules
    ),
    runs as (
        select
            *,
            lag(is_odd and direction = 1, 1, false) over one_series as was_high,
            lag(is_odd and direction = -1, 1, false) over one_series as was_low
        from odd
        window one_series as (partition by detector, account, scope_type, scope order by charge_date)
    )
    select detector, account, scope_type, scope, charge_date, direction, null as cause
    from runs
    where is_odd and not if(direction = 1, was_high, was_low)
    union all by name
    select
        'cost_anomalies' as detector,
        account,
        scope_type,
        scope,
        charge_date,
        sign(difference_cost) as direction,
        cause
    from finops.cost_anomalies
"""

FOUND = """
    create table truth.found as
    with added as (
        select
            account,
            incident,
            charge_date,
            unnest([
                {'scope_type': 'account', 'scope': account},
                {'scope_type': 'product_line', 'scope': 'model_apis'},
                {'scope_type': 'model', 'scope': model},
                {'scope_type': 'key', 'scope': api_key},
                {'scope_type': 'team', 'scope': team}
            ], recursive := true),
            added_cost
        from truth.costs
        where incident is not null
    ),
    days as (
        select account, incident, charge_date, scope_type, scope, sum(added_cost) as added
        from added
        group by all
    ),
    incidents as (
        select *, first_date + if(kind = 'slow drift', 45, 2) as last_date
        from truth.incidents
    ),
    judged as (
        select
            account, incident, kind, incidents.cause, scope_type, scope, first_date, last_date,
            arg_max(added, abs(added)) as added,
            arg_max(cost - added, abs(added)) as clean
        from days
        inner join incidents using (account, incident)
        inner join intermediate.int_anomalies__expected using (account, scope_type, scope, charge_date)
        where charge_date between first_date and if(kind = 'slow drift', last_date, first_date)
        group by all
    ),
    candidates as (
        select *, abs(added) > 10 and abs(added) > 0.25 * clean as is_large
        from judged
        cross join (select distinct detector from truth.alarms)
    )
    select
        candidates.*,
        min(alarms.charge_date) as found_on,
        arg_min(alarms.cause, alarms.charge_date) as found_cause
    from candidates
    left join truth.alarms
        on candidates.detector = alarms.detector
        and candidates.account = alarms.account
        and candidates.scope_type = alarms.scope_type
        and candidates.scope = alarms.scope
        and alarms.charge_date between first_date and last_date
        and alarms.direction = sign(added)
    group by all;
    create table truth.false_alarms as
    select alarms.*
    from truth.alarms
    anti join truth.found
        on found.detector = alarms.detector
        and found.account = alarms.account
        and found.scope_type = alarms.scope_type
        and found.scope = alarms.scope
        and found.found_on = alarms.charge_date;
"""

BY_KIND = """
    select
        kind,
        count(*) as series,
        avg(if(found_on is null, 0, 1)) as recall,
        avg(if(found_on = first_date, 1, 0)) as on_first_day,
        avg(if(found_cause = cause, 1, 0)) filter (found_on is not null) as right_cause
    from truth.found
    where is_large and detector = '{detector}'
    group by rollup (kind)
    order by kind nulls last
"""

BY_SIZE = """
    select
        case
            when abs(added) < 0.5 * clean then '25 to 50 %'
            when abs(added) < clean then '50 to 100 %'
            else 'more than 100 %'
        end as size,
        detector,
        avg(if(found_on is null, 0, 1)) as recall
    from truth.found
    where is_large
    group by all
    order by all
"""

BY_SHAPE = """
    with shapes as (select distinct account, shape from truth.costs),
    series_days as (
        select
            shape,
            if(isodow(charge_date) in (6, 7, 1), 'weekend and Monday', 'other days') as days,
            count(*) as number
        from intermediate.int_anomalies__expected
        inner join shapes using (account)
        where learned_days >= 14
        group by all
    ),
    false_alarms as (
        select
            detector,
            shape,
            if(isodow(charge_date) in (6, 7, 1), 'weekend and Monday', 'other days') as days,
            count(*) as number
        from truth.false_alarms
        inner join shapes using (account)
        group by all
    ),
    counts as (
        select
            detector,
            series_days.shape,
            days,
            series_days.number as series_days,
            coalesce(false_alarms.number, 0) as wrong
        from series_days
        cross join (select distinct detector from truth.alarms)
        left join false_alarms using (detector, shape, days)
    )
    select
        {column} as part,
        detector,
        sum(series_days) as series_days,
        200 * sum(wrong) / sum(series_days) as wrong_in_200
    from counts
    group by all
    order by all
"""


def run_models(folder: Path, warehouse: Path) -> float:
    """Run the models of anomalies and return the sum of their seconds."""
    dbt = [str(Path(sys.executable).with_name("dbt")), "--quiet", "--log-path", str(folder), "run"]
    arguments = ["--select", *MODELS, "--target-path", str(folder / "target")]
    settings = {"FAL_WAREHOUSE": str(warehouse), "FAL_LANDING_DIR": str(folder)}
    subprocess.run([*dbt, *arguments], cwd=ROOT, env={**os.environ, **settings}, check=True)
    results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    return float(sum(result["execution_time"] for result in results))


def find_anomalies(folder: Path, seed: int, accounts: int) -> duckdb.DuckDBPyConnection:
    """Return a warehouse of some accounts with the alarms of each detector and what they found."""
    write_accounts(folder, seed, accounts)
    warehouse = folder / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(WAREHOUSE.format(folder=folder))
    seconds = run_models(folder, warehouse)
    connection = duckdb.connect(str(warehouse))
    connection.execute(ALARMS)
    connection.execute(FOUND)
    query = "select count(*) from intermediate.int_anomalies__expected"
    ((days,),) = connection.execute(query).fetchall()
    print(f"{accounts} accounts, {days:,} series-days: the models take {seconds:.1f} s\n")
    return connection


def format_value(value: object) -> str:
    """Format a cell of a table."""
    return f"{value:.3f}" if isinstance(value, float) else "all" if value is None else str(value)


def print_table(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Print the rows of a query below the names of its columns."""
    rows = connection.execute(query).fetchall()
    names = [name for name, *_ in connection.description or ()]
    for row in [names, *rows]:
        print("".join(f"{format_value(value):<20}" for value in row).rstrip())
    print(flush=True)


def measure(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    """Return the only value of a query."""
    ((value,),) = connection.execute(query).fetchall()
    return float(value)


def print_ratios(connection: duckdb.DuckDBPyConnection) -> None:
    """Print the three ratios of cost_anomalies that benchmarks/README.md has."""
    ours = "detector = 'cost_anomalies'"
    found = f"from truth.found where is_large and {ours}"
    days = "select count(*) from intermediate.int_anomalies__expected where learned_days >= 14"
    wrong = measure(connection, f"select count(*) from truth.false_alarms where {ours}")
    print_ratio(
        "anomalies: found ÷ injected", measure(connection, f"select avg(if(found_on is null, 0, 1)) {found}")
    )
    print_ratio(
        "anomalies: right causes ÷ found",
        measure(connection, f"select avg(if(found_cause = cause, 1, 0)) {found} and found_on is not null"),
    )
    print_ratio("anomalies: false alarms in 200 series-days", 200 * wrong / measure(connection, days))


def main() -> int:
    """Print what each detector found by kind and size, and its false alarms by shape and day."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.anomalies",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--accounts", type=int, default=180)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        connection = find_anomalies(Path(name), options.seed, options.accounts)
        for detector in ("cost_anomalies", "3 sigma", "median"):
            print(f"Found by {detector}:")
            print_table(connection, BY_KIND.format(detector=detector))
        print_table(connection, BY_SIZE)
        for column in ("shape", "days", "'all'"):
            print_table(connection, BY_SHAPE.format(column=column))
        print_ratios(connection)
        connection.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
