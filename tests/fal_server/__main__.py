"""`python -m tests.fal_server`: serve a world, alone or while a command runs.

python -m tests.fal_server --port 8080
python -m tests.fal_server --days 40 --switch compute -- python -m loaders sync
python -m tests.fal_server --switch serverless --switch compute --team acme-video=Video
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
from dataclasses import fields
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from tests.fal_server import FAULTS, FalServer, Fault, Switches, Team, World

SWITCHES = [field.name for field in fields(Switches)]


def main() -> int:
    """Serve until the command ends or an interrupt; return the exit code of the command."""
    options = build_parser().parse_args()
    command = options.command[1:] if options.command[:1] == ["--"] else options.command
    world = make_world(options)
    with FalServer(world, options.page_cap, options.port, options.expanded_page_cap) as server:
        server.faults += options.fault
        settings = {"FAL_API_URL": server.url, "FAL_KEY": options.key, "FAL_ACCOUNT": options.account}
        settings |= {"FAL_ORGANIZATION": "1"} if world.teams else {}
        if command:
            return subprocess.call(command, env={**os.environ, **settings, "FAL_KEY_FILE": ""})
        for name, value in settings.items():
            print(f"export {name}={value}", flush=True)
        done = threading.Event()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: done.set())
        if options.first_day is None:
            keep_time(world, done)
        done.wait()
    return 0


def make_world(options: argparse.Namespace) -> World:
    """Make the world that the options describe."""
    account, now = options.account, datetime.now(UTC)
    world = World(
        seed=options.seed,
        accounts={account: options.key},
        first_day=options.first_day or now.date() - timedelta(days=options.days - 1),
        days=options.days,
        events_per_day=options.events_per_day,
        oddities=not options.tidy,
        now=now if options.first_day is None else None,
        non_enterprise=[account] if options.no_focus_reports else [],
        switches=Switches(**dict.fromkeys(options.switch, True)),
        teams={account: [Team(account, account.title()), *options.team]} if options.team else None,
        not_admin=[account] if options.no_admin else [],
    )
    world.refused = dict(options.refuse)
    world.credits[account] = options.credits
    return world


def keep_time(world: World, done: threading.Event, tick: float = 1.0) -> None:
    """Advance the clock of the world, and begin new days, until done."""
    while not done.wait(tick):
        world.now = datetime.now(UTC)
        world.days = max(world.days, (world.now.date() - world.first_day).days + 1)


def fault(text: str) -> Fault:
    """Parse a fault such as `server_error:3`, for the next three requests. Raises ValueError."""
    name, _, times = text.partition(":")
    if name not in FAULTS:
        raise ValueError(text)
    return FAULTS[name](times=int(times or 1))


def team(text: str) -> Team:
    """Parse a team such as `acme-video=Video`. Its name is optional."""
    username, _, name = text.partition("=")
    return Team(username, name or username)


def refusal(text: str) -> tuple[str, int]:
    """Parse a path with the status of its error, such as `/keys=403`. Raises ValueError."""
    path, _, status = text.partition("=")
    if not path.startswith("/") or status not in ("401", "403", "404"):
        raise ValueError(text)
    return path, int(status)


def build_parser() -> argparse.ArgumentParser:
    """Make the parser of the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.fal_server", description=__doc__.splitlines()[0])
    parser.add_argument("--port", type=int, default=0, help="0 (the default) takes a free one")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--account", default="acme")
    parser.add_argument("--key", default="key-acme", help="the key it asks for (default: %(default)s)")
    parser.add_argument(
        "--first-day",
        type=date.fromisoformat,
        help="default: so that the last day is today; the clock then runs, and stands still otherwise",
    )
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--events-per-day", type=int, default=2000)
    parser.add_argument("--page-cap", type=int, default=10_000, help="most rows a page holds")
    parser.add_argument("--expanded-page-cap", type=int, help="most rows a page holds with expansions")
    parser.add_argument(
        "--fault",
        type=fault,
        action="append",
        default=[],
        metavar="NAME[:TIMES]",
        help=f"what happens to the first requests; repeatable: {', '.join(FAULTS)}",
    )
    parser.add_argument("--tidy", action="store_true", help="no oddities in the data")
    parser.add_argument("--no-focus-reports", action="store_true", help="403 on FOCUS reports")
    parser.add_argument("--no-admin", action="store_true", help="403 on calls that require an admin key")
    parser.add_argument(
        "--refuse",
        type=refusal,
        action="append",
        default=[],
        metavar="PATH=STATUS",
        help="answer a path, such as /keys, with 401, 403 or 404; repeatable",
    )
    _add_lines(parser)
    parser.add_argument("command", nargs=argparse.REMAINDER, help="run this with FAL_* set, then stop")
    return parser


def _add_lines(parser: argparse.ArgumentParser) -> None:
    """Add the options for product lines, teams and credits."""
    parser.add_argument(
        "--switch",
        choices=SWITCHES,
        action="append",
        default=[],
        metavar="NAME",
        help=f"product lines and more; repeatable: {', '.join(SWITCHES)}; the docstring of Switches "
        "describes them",
    )
    parser.add_argument(
        "--team",
        type=team,
        action="append",
        default=[],
        metavar="USERNAME[=NAME]",
        help="makes the account an organization, with itself and this as teams; repeatable",
    )
    parser.add_argument("--credits", type=Decimal, default=Decimal(0), help="USD of credits bought before")


if __name__ == "__main__":
    sys.exit(main())
