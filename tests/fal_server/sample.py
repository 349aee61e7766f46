"""`python -m tests.fal_server.sample`: recreate sample/ with the loaders and the local fal server.

All data is made up. The account acme is an enterprise with invoices: September 2026 is closed, October is
open, and its last day has only an estimate. acme is an organization of two teams that also runs apps and
instances. In September, a model is launched, one of its keys is renamed, one is deleted, prices change, and
a batch runs that seeds/fal_known_events.csv contains. In October, a key leaks. The account studio has only
billing events, and credits that run out.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path

from loaders import clock
from loaders.cli import main as load
from tests.fal_server import FalServer, Oddities, Switches, Team, World
from tests.fal_server.reports import Invoice

FEEDS = ("billing_events", "focus_reports", "serverless_usage", "catalogue")
FIRST_DAY = date(2026, 9, 1)
OPEN_MONTH = date(2026, 10, 1)
LAST_DAY = date(2026, 10, 13)
STUDIO_FIRST_DAY = date(2026, 10, 1)
CREDITS = Decimal(375)

# when snapshots are fetched, and what remains of the credits at the last of them
SNAPSHOTS = (datetime(2026, 9, 10, 9, tzinfo=UTC), datetime.combine(LAST_DAY, time(23, 55), UTC))
BALANCES = {"acme": Decimal(0), "studio": Decimal("0.550103863")}

Command = tuple[str, datetime, tuple[str, ...]]


def main() -> int:
    """Replace the loads in sample/; return the exit code of the first loader that fails."""
    folder = build_parser().parse_args().folder
    world = make_world()
    for feed in FEEDS:
        shutil.rmtree(folder / feed, ignore_errors=True)
    with FalServer(world) as server:
        os.environ |= {"FAL_API_URL": server.url, "FAL_LANDING_DIR": str(folder)}
        os.environ |= {"FAL_KEY_FILE": "", "NO_PROXY": "127.0.0.1"}
        for account, moment, arguments in list_commands():
            set_time(world, moment)
            is_organization = "1" if account in world.teams else "0"
            os.environ |= {"FAL_KEY": world.accounts[account], "FAL_ACCOUNT": account}
            os.environ |= {"FAL_ORGANIZATION": is_organization}
            if code := load(list(arguments)):
                return code
    return 0


def make_world() -> World:
    """Make the world of the sample."""
    world = World(
        seed=2026,
        accounts={"acme": "key-acme", "studio": "key-studio"},
        first_day=FIRST_DAY,
        days=(LAST_DAY - FIRST_DAY).days + 1,
        events_per_day=40,
        # oddities that would distract a reader occur only in tests
        oddities=replace(Oddities.all(), big_integers=False, odd_labels=False),
        non_enterprise=["studio"],
        switches=Switches(
            serverless=True,
            compute=True,
            surge=True,
            unnamed_app=True,
            price_changes=True,
            renamed_key=True,
            deleted_key=True,
            deprecated_model=True,
            batch_run=True,
            launch=True,
            leaked_key=True,
        ),
        plain_accounts=["studio"],
        teams={"acme": [Team("acme", "Acme"), Team("acme-video", "Video")]},
    )
    world.invoice_months["2026-10"] = Invoice(prepaid=CREDITS, purchase=CREDITS, adjustment=Decimal("-3.75"))
    return world


def list_commands() -> Iterator[Command]:
    """Yield what the loaders are called with: account, time, arguments."""
    end = clock.to_midnight(LAST_DAY + timedelta(days=1)) + timedelta(hours=9)
    until = ("--end", str(LAST_DAY))
    estimate = ("--start", str(OPEN_MONTH), "--end", str(LAST_DAY + timedelta(days=1)))
    yield "acme", end, ("billing-events", "--start", str(FIRST_DAY), *until)
    yield "acme", end, ("focus-report", "--source", "invoice", "--charge-month", "2026-09")
    yield "acme", end, ("focus-report", "--source", "estimate", *estimate)
    yield "studio", end, ("billing-events", "--start", str(STUDIO_FIRST_DAY), *until)
    yield "acme", end, ("serverless-usage", "--start", str(FIRST_DAY), *until)
    # models and prices are fetched for the endpoints of landed events
    for moment in SNAPSHOTS:
        yield "acme", moment, ("catalogue",)
    yield "studio", SNAPSHOTS[-1], ("catalogue", "balance")


def set_time(world: World, moment: datetime) -> None:
    """Set the clock of the loaders and of the world, and the balances at that time."""
    clock.utc_now = lambda: moment
    world.now = moment
    world.credits = {account: world.cost(account) + balance for account, balance in BALANCES.items()}


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.fal_server.sample", description=__doc__.splitlines()[0]
    )
    parser.add_argument("--folder", type=Path, default=Path("sample"), help="default: %(default)s")
    return parser


if __name__ == "__main__":
    sys.exit(main())
