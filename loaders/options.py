"""What the options of the command line take: days, months, and those that every command has."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

import click

from loaders import settings

# fal is a company of this century; other years are typing errors
DAY_OR_TIME = re.compile(r"20\d\d-\d\d-\d\d([T ].+)?")
MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)

Command = Callable[..., Any]


@dataclass(frozen=True)
class When:
    """A day or a time as it was given, and the instant it stands for."""

    text: str
    instant: datetime

    @property
    def day(self) -> date | None:
        """The UTC day, or None when a time of day was given."""
        return self.instant.date() if len(self.text) == 10 else None


def parse_when(text: str) -> When:
    """Parse YYYY-MM-DD, or an ISO 8601 date-time, which is in UTC unless it has an offset."""
    try:
        instant = datetime.fromisoformat(text) if DAY_OR_TIME.fullmatch(text) else None
    except ValueError:
        instant = None
    if instant is None:
        raise click.BadParameter(f"{text!r} is not a day: write it as YYYY-MM-DD.")
    return When(text, instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC))


def parse_month(text: str) -> str:
    """Return a month that is written as YYYY-MM."""
    if not MONTH.fullmatch(text):
        raise click.BadParameter(f"{text!r} is not a month: write it as YYYY-MM.")
    return text


when_option = partial(click.option, type=parse_when, metavar="DAY")
month_option = partial(click.option, type=parse_month, metavar="MONTH")


account_option = click.option(
    "--account",
    envvar="FAL_ACCOUNT",
    default=settings.DEFAULT_ACCOUNT,
    show_default=True,
    show_envvar=True,
    help="Your name for the account; its data land under it.",
)
of_accounts_option = click.option(
    "--account", default=None, help="Only this account. Default: all, whatever FAL_ACCOUNT says."
)
landing_dir_option, landed_dir_option = (
    click.option(
        "--landing-dir",
        envvar="FAL_LANDING_DIR",
        default=settings.DEFAULT_LANDING_DIR,
        show_default=True,
        show_envvar=True,
        metavar="FOLDER",
        help=text,
    )
    for text in ("Where to land; made if it is not there.", "Where it has landed.")
)


def common_options(command: Command) -> Command:
    """The options of every command that talks to fal."""
    options = (
        account_option,
        click.option(
            "--api-url",
            envvar="FAL_API_URL",
            default=settings.DEFAULT_API_URL,
            show_default=True,
            show_envvar=True,
            metavar="URL",
            help="Base URL of the API.",
        ),
        landing_dir_option,
        click.option(
            "--concurrency",
            type=click.IntRange(1, 64),
            default=settings.DEFAULT_CONCURRENCY,
            show_default=True,
            help="How many loads are fetched at once. Each takes some 10 MB of memory.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command
