"""`python -m tests.fal_server.sample`: recreate sample/ with the loaders and the local fal server.

All data is made up. The account acme is an enterprise with invoices: September 2026 is closed, October is
open, and its last day has only an estimate. The account studio has only billing events, and credits that
run out.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

from tests.fal_server import FalServer, Oddities, World
from tests.fal_server.reports import Invoice

FOLDER = Path("sample")
FIRST_DAY = date(2026, 9, 1)
LAST_DAY = date(2026, 10, 13)
STUDIO_FIRST_DAY = date(2026, 10, 1)


def main() -> int:
    """Replace the loads in sample/; return the exit code of the first loader that fails."""
    world = World(
        seed=2026,
        accounts={"acme": "key-acme", "studio": "key-studio"},
        first_day=FIRST_DAY,
        days=(LAST_DAY - FIRST_DAY).days + 1,
        events_per_day=40,
        # oddities that would distract a reader occur only in tests
        oddities=replace(Oddities.all(), big_integers=False, odd_labels=False),
        non_enterprise=["studio"],
    )
    world.invoice_months["2026-10"] = Invoice(
        prepaid_until=date(2026, 10, 1), purchase=Decimal(375), adjustment=Decimal("-3.75")
    )
    for feed in ("billing_events", "focus_reports"):
        shutil.rmtree(FOLDER / feed, ignore_errors=True)
    events = ("billing-events", "--end", str(LAST_DAY))
    estimate = ("focus-report", "--source", "estimate", "--end", str(LAST_DAY + timedelta(days=1)))
    with FalServer(world) as server:
        for account, arguments in (
            ("acme", (*events, "--start", str(FIRST_DAY))),
            ("acme", ("focus-report", "--source", "invoice", "--charge-month", "2026-09")),
            ("acme", (*estimate, "--start", str(LAST_DAY))),
            ("studio", (*events, "--start", str(STUDIO_FIRST_DAY))),
        ):
            settings = {
                "FAL_API_URL": server.url,
                "FAL_KEY": world.accounts[account],
                "FAL_ACCOUNT": account,
                "FAL_LANDING_DIR": str(FOLDER),
            }
            command = [sys.executable, "-m", "loaders", *arguments]
            code = subprocess.call(command, env={**os.environ, **settings, "NO_PROXY": "127.0.0.1"})
            if code:
                return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
