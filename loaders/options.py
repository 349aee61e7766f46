"""What the options of the command line take: days, months, and those that every command has."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import click

from loaders import settings

# fal is a company of this century; other years are typing errors
DAY_OR_TIME = re.compile(r"20\d\d-\d\d-\d\d([T ].+)?")
A_MONTH = re.compile(r"20\d\d-(0[1-9]|1[0-2])", re.ASCII)

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


class WhenType(click.ParamType):
    """YYYY-MM-DD, or an ISO 8601 date-time; without an offset it is UTC."""

    name = "day"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> When:
        """The value, or a usage error."""
        if isinstance(value, When):
            return value
        text = str(value)
        try:
            instant = datetime.fromisoformat(text) if DAY_OR_TIME.fullmatch(text) else None
        except ValueError:
            instant = None
        if instant is None:
            self.fail(f"{text!r} is no day: write it as YYYY-MM-DD.", param, ctx)
        return When(text, instant.astimezone(UTC) if instant.tzinfo else instant.replace(tzinfo=UTC))


class MonthType(click.ParamType):
    """YYYY-MM"""

    name = "month"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The value, or a usage error."""
        text = str(value)
        if not A_MONTH.fullmatch(text):
            self.fail(f"{text!r} is no month: write it as YYYY-MM.", param, ctx)
        return text


WHEN = WhenType()
MONTH = MonthType()


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
