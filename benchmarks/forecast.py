"""Accuracy of cost_forecast: `python -m benchmarks.forecast [--series N] [--origins N]`.

Rolling origins over made-up series of eight shapes and over real daily series. Each origin is an account
whose history ends there, so one run of the project's own models makes all forecasts. They reach from the
day after the origin to the end of the next month. Beside them: the mean of the last 28 days (run rate), the
last week repeated, and AutoETS of statsforecast with a season of 7 days.

The error is WAPE: the sum of absolute errors ÷ the sum of costs, with each series divided by its mean.
`make .venv/.installed-bench` installs AutoETS and the real series.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, fields
from datetime import date, timedelta
from pathlib import Path

import duckdb
import numpy as np
from statsforecast.models import AutoETS

from benchmarks.daily_series import add_made_up_series, add_real_series
from benchmarks.measure import ROOT, print_ratio

# days of history at the origins of a series
HISTORIES = (20, 45, 75, 110, 150, 190, 235, 280, 330, 355)
LONGEST_HORIZON = 62
MODELS = ("path:models/intermediate/forecasts", "cost_forecast")

SERIES = """
    create schema intermediate;
    create table intermediate.int_costs__series as
    select
        dense_rank() over (order by series, origin) as series_number,
        series || ' ' || origin as account,
        'account' as scope_type,
        series || ' ' || origin as scope,
        charge_date,
        datediff('day', date '1970-01-01', charge_date) as day_number,
        cast(cost as decimal(38, 18)) as cost,
        true as is_complete
    from actual
    inner join origins using (series)
    where charge_date <= origin
"""

ORIGINS = """
    create table origins as
    select series, cast(first_day + n as date) as origin
    from (
        select series, min(charge_date) - 1 as first_day, max(charge_date) as last_day
        from actual group by series
    ), (select unnest(cast(? as integer[])) as n)
    where first_day + n + 45 <= last_day
"""

COMPARED = """
    create table compared as
    select
        shape, series, origin, charge_date, charge_month, mean_cost,
        cost,
        expected_cost,
        run_rate,
        seasonal_naive,
        ets,
        cast(cost between lower_cost and upper_cost as integer) as is_inside,
        cast(cost between ets_lower and ets_upper as integer) as is_inside_ets,
        month_spent_cost, month_expected_cost, month_lower_cost, month_upper_cost
    from finops.cost_forecast as forecast
    inner join origins on forecast.account = series || ' ' || origin
    inner join actual using (series, charge_date)
    inner join rivals using (series, origin, charge_date)
    inner join (select series, avg(cost) as mean_cost from actual group by series) using (series)
"""

# a month counts where all its coming days are known
MONTHS = """
    create table months as
    select
        shape,
        sum(cost) / mean_cost as cost,
        abs(sum(expected_cost) - sum(cost)) / mean_cost as error,
        abs(sum(run_rate) - sum(cost)) / mean_cost as run_rate_error,
        cast(sum(cost) between any_value(month_lower_cost - month_spent_cost)
            and any_value(month_upper_cost - month_spent_cost) as integer) as is_inside
    from compared
    group by shape, series, origin, charge_month, mean_cost
    having max(charge_date) = last_day(charge_month)
"""

SUMMARY = """
    select
        *,
        coalesce(months.wape, 0) as month_wape, coalesce(months.run_rate, 0) as month_run_rate,
        coalesce(months.inside, 0) as month_inside
    from (
        select
            {group} as name,
            count(*) as days,
            sum(abs(expected_cost - cost) / mean_cost) / sum(cost / mean_cost) as wape,
            sum(abs(ets - cost) / mean_cost) / sum(cost / mean_cost) as ets,
            sum(abs(run_rate - cost) / mean_cost) / sum(cost / mean_cost) as run_rate,
            sum(abs(seasonal_naive - cost) / mean_cost) / sum(cost / mean_cost) as naive,
            avg(is_inside) as inside,
            avg(is_inside_ets) as inside_ets
        from compared
        group by all
    ) as days
    left join (
        select
            {group} as name,
            sum(error) / sum(cost) as wape,
            sum(run_rate_error) / sum(cost) as run_rate,
            avg(is_inside) as inside
        from months
        group by all
    ) as months using (name)
    order by name
"""


@dataclass(frozen=True)
class Summary:
    """Errors (WAPE) of the forecast and of three others, and shares inside the intervals of 80 %."""

    name: str
    days: int
    wape: float
    ets: float
    run_rate: float
    naive: float
    inside: float
    inside_ets: float
    month_wape: float
    month_run_rate: float
    month_inside: float

    def print(self) -> None:
        """Print a line of the table."""
        print(
            f"{self.name:10} {self.days:6,} {self.wape:6.3f} {self.ets:8.3f}"
            f" {self.run_rate:8.3f} {self.naive:8.3f} {self.wape / self.ets:7.2f}"
            f" {self.inside:7.1%} {self.inside_ets:8.1%}"
            + f" {self.month_wape:7.3f} {self.month_run_rate:8.3f} {self.month_inside:7.1%}"
        )


def fill_warehouse(warehouse: Path, series: int, origins: int) -> None:
    """Write the actual cost, the origins, the series until each origin, and the rivals' forecasts."""
    step = len(HISTORIES) / origins
    histories = [HISTORIES[int(number * step)] for number in range(origins)]
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("create table actual (shape text, series text, charge_date date, cost double)")
        add_made_up_series(connection, series)
        add_real_series(connection)
        connection.execute(ORIGINS, [histories])
        connection.execute(SERIES)
        connection.execute(
            "create table rivals (series text, origin date, charge_date date,"
            " run_rate double, seasonal_naive double, ets double, ets_lower double, ets_upper double)"
        )
        for name, origin in connection.execute("from origins order by all").fetchall():
            add_rivals(connection, name, origin)


def add_rivals(connection: duckdb.DuckDBPyConnection, name: str, origin: date) -> None:
    """Add the forecasts of the three other methods from an origin of a series."""
    query = "select cost from actual where series = ? and charge_date <= ? order by charge_date"
    costs = np.array([cost for (cost,) in connection.execute(query, [name, origin]).fetchall()])
    ets = AutoETS(season_length=7).forecast(y=costs, h=LONGEST_HORIZON, level=[80])
    columns = (
        np.full(LONGEST_HORIZON, costs[-28:].mean()),
        np.resize(costs[-7:], LONGEST_HORIZON),
        ets["mean"],
        ets["lo-80"],
        ets["hi-80"],
    )
    rows = zip(*(column.tolist() for column in columns), strict=True)
    connection.executemany(
        "insert into rivals values (?, ?, ?, ?, ?, ?, ?, ?)",
        [(name, origin, origin + timedelta(day), *row) for day, row in enumerate(rows, start=1)],
    )


def run_models(folder: Path, warehouse: Path) -> float:
    """Run the models of the forecast, print the time of each, and return the sum in seconds."""
    dbt = [str(Path(sys.executable).with_name("dbt")), "--quiet", "--log-path", str(folder), "run"]
    arguments = ["--select", *MODELS, "--target-path", str(folder / "target")]
    settings = {"FAL_WAREHOUSE": str(warehouse), "FAL_LANDING_DIR": str(folder)}
    subprocess.run([*dbt, *arguments], cwd=ROOT, env={**os.environ, **settings}, check=True)
    results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    for result in results:
        print(f"{result['execution_time']:7.2f} s  {result['unique_id'].rpartition('.')[2]}")
    return float(sum(result["execution_time"] for result in results))


def summarize(connection: duckdb.DuckDBPyConnection, group: str) -> list[Summary]:
    """Return a summary for each value of a column, or one for a constant."""
    columns = ", ".join(field.name for field in fields(Summary))
    query = f"select {columns} from ({SUMMARY.format(group=group)})"
    return [Summary(*row) for row in connection.execute(query).fetchall()]


def main() -> int:
    """Print the errors and the coverage of each shape, and the ratios of all shapes together."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.forecast", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--series", type=int, default=6, help="made-up series of each shape")
    parser.add_argument("--origins", type=int, default=10, help="origins of a series, at most 10")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        warehouse = folder / "warehouse.duckdb"
        fill_warehouse(warehouse, options.series, options.origins)
        seconds = run_models(folder, warehouse)
        with duckdb.connect(str(warehouse)) as connection:
            (forecasts,) = connection.execute("select count(*) from origins").fetchone() or (0,)
            connection.execute(COMPARED)
            connection.execute(MONTHS)
            summaries = summarize(connection, "shape")
            (total,) = summarize(connection, "'all'")
    print(f"{forecasts} forecasts in {seconds:.1f} s")
    print(f"{'':10} {'':6} {'error (WAPE) of days':>33} {'÷':>7} {'in 80 % interval':>16} {'months':>24}")
    print(
        "shape        days   ours  AutoETS run rate    naive AutoETS    ours  AutoETS    ours run rate inside"
    )
    for summary in (*summaries, total):
        summary.print()
    print_ratio("forecast: error ÷ that of AutoETS", total.wape / total.ets)
    print_ratio("forecast: error ÷ that of the run rate", total.wape / total.run_rate)
    print_ratio("forecast: error ÷ that of the last week repeated", total.wape / total.naive)
    print_ratio("forecast: days inside the interval of 80 % ÷ all days", total.inside)
    print_ratio("forecast: months inside the interval of 80 % ÷ all months", total.month_inside)
    return 0


if __name__ == "__main__":
    sys.exit(main())
