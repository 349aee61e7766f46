"""The option types of the command line, and the options that several commands share."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import partial, wraps
from typing import Any

import click

from loaders import settings

# fal was founded in this century; other years are typing errors
DAY_OR_TIME = re.compile(r"20\d\d-\d\d-\d\d([T ].+)?")
MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)

Command = Callable[..., Any]


class Switch(click.types.BoolParamType):
    """A flag whose environment variable is 1 or 0. click's own error message lists an empty value."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> bool:  # noqa: ANN401  # by click
        """Return whether the flag is set."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            self.fail(f"{value!r} is neither 1 nor 0.", param, ctx)


@dataclass(frozen=True)
class Target:
    """The account to land, from which API and into which folder, and how many loads run at once."""

    account: str
    api_url: str
    landing_dir: str
    concurrency: int


@dataclass(frozen=True)
class When:
    """A day or a time as the user wrote it, and as an instant."""

    text: str
    instant: datetime

    @property
    def day(self) -> date | None:
        """The UTC day, or None for a time of day."""
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
landing_dir_option = partial(
    click.option,
    "--landing-dir",
    envvar="FAL_LANDING_DIR",
    default=settings.DEFAULT_LANDING_DIR,
    show_default=True,
    show_envvar=True,
    metavar="FOLDER",
)
organization_option = partial(
    click.option,
    "--organization",
    "is_organization",
    is_flag=True,
    type=Switch(),
    envvar="FAL_ORGANIZATION",
    show_envvar=True,
)
account_filter_option = click.option(
    "--account", default=None, help="Only this account. Default: all accounts, regardless of FAL_ACCOUNT."
)
API_OPTIONS = (
    click.option(
        "--account",
        envvar="FAL_ACCOUNT",
        default=settings.DEFAULT_ACCOUNT,
        show_default=True,
        show_envvar=True,
        help="Your name for the account, which names the folder of its data.",
    ),
    click.option(
        "--api-url",
        envvar="FAL_API_URL",
        default=settings.DEFAULT_API_URL,
        show_default=True,
        show_envvar=True,
        metavar="URL",
        help="Base URL of the API.",
    ),
    landing_dir_option(help="The landing folder; created if it is missing."),
    click.option(
        "--concurrency",
        type=click.IntRange(1, 64),
        default=settings.DEFAULT_CONCURRENCY,
        show_default=True,
        help="How many loads run at once. Each takes about 10 MB of memory.",
    ),
)


def add_api_options(command: Command) -> Command:
    """Add the options of every command that requests data from fal; the command gets them as a Target."""

    @wraps(command)
    def run(account: str, api_url: str, landing_dir: str, concurrency: int, **others: object) -> object:
        return command(Target(account, api_url, landing_dir, concurrency), **others)

    wrapped: Command = run
    for option in reversed(API_OPTIONS):
        wrapped = option(wrapped)
    return wrapped
