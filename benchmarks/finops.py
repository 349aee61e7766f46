"""What the marts of schema finops add to a build: `python -m benchmarks.finops [--days N] [--fewer N] ...`.

Each day of the landing zone has a charge for each endpoint and key, and each month that is over has an
invoice. One run measures the first build; the models of the marts alone, all days of them; builds of new
days; and the models of the marts alone after another new day. It measures the same after fewer days, in
turns. What the marts add is the cost of their models less that of one view, which is the start of dbt.
"""

import argparse
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.builds import FIRST_DAY, Project, print_cost
from benchmarks.landing_zone import write_invoices
from benchmarks.measure import Cost, pick_best, print_ratio

# the folders of the models below models/, which only these marts read
FOLDERS = ("intermediate/costs", "intermediate/forecasts", "intermediate/budgets", "marts/finops")
MARTS = [f"path:models/{folder}" for folder in FOLDERS]
# builds of a new day
TURNS = 3


@dataclass(frozen=True)
class Costs:
    """Costs of builds, and what the marts add to each."""

    first: Cost
    first_added: Cost
    daily: Cost
    daily_added: Cost


def measure_added(project: Project, what: str, *options: str) -> Cost:
    """Run the models of the marts; print and return their cost without the start of dbt."""
    start = project.run_dbt("one view", "run", "--select", "int_costs__charges")
    cost = project.run_dbt("the models of the marts", "run", *options, "--select", *MARTS)
    added = Cost(cost.wall - start.wall, cost.cpu - start.cpu, cost.peak)
    print_cost(what, added)
    return added


def measure_days(projects: dict[int, Project]) -> list[Costs]:
    """Return the costs of first builds of some days, and of new days after them. projects: by number of days.

    The projects take turns, because the speed of a machine changes within minutes. Of the builds of new days,
    the least cost counts.
    """
    first, first_added, daily_added = [], [], []
    daily: dict[int, list[Cost]] = {days: [] for days in projects}
    for days, project in projects.items():
        project.land(0, days)
        write_invoices(project.landing, FIRST_DAY, days, *project.shape[:2])
        first.append(project.build(f"first build of {days} days x {project.shape[0]:,}"))
        first_added.append(measure_added(project, f"added by the marts, {days} days", "--full-refresh"))
    for turn in range(TURNS):
        for days, project in projects.items():
            project.land(days + turn, 1)
            daily[days].append(project.build(f"a build of a new day after {days} days"))
    for days, project in projects.items():
        project.land(days + TURNS, 1)
        project.run_dbt("all other models, of another new day", "run", "--exclude", *MARTS)
        daily_added.append(measure_added(project, f"added by the marts, a new day after {days} days"))
    best = map(pick_best, daily.values())
    return [Costs(*costs) for costs in zip(first, first_added, best, daily_added, strict=True)]


def main() -> int:
    """Print the costs and the ratios."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.finops",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--days", type=int, default=400)
    parser.add_argument(
        "--fewer", type=int, metavar="DAYS", default=40, help="the same after fewer days, unless 0"
    )
    parser.add_argument("--endpoints", type=int, default=200)
    parser.add_argument("--keys", type=int, default=20)
    options = parser.parse_args()
    shape = (options.endpoints * options.keys, options.endpoints, options.keys)
    with tempfile.TemporaryDirectory() as name:
        sizes = [options.fewer, options.days] if options.fewer else [options.days]
        *shorter, long = measure_days({days: Project(Path(name) / str(days), shape) for days in sizes})
    print_ratio(
        "finops: added to a new day ÷ added to the first build", long.daily_added.cpu / long.first_added.cpu
    )
    print_ratio("finops: a new day ÷ the first build", long.daily.cpu / long.first.cpu)
    for short in shorter:
        print_ratio("finops: a new day ÷ the same after fewer days", long.daily.cpu / short.daily.cpu)
    return 0


if __name__ == "__main__":
    sys.exit(main())
