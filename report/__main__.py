"""`python -m report`"""

import sys
from decimal import localcontext
from typing import get_args

import click
from click.core import ParameterSource

from loaders.clock import utc_now
from loaders.files import restrict_new_files
from loaders.progress import print_result, print_status
from publishing import PAGE
from report.digest import Alert, read_digest
from report.formats import FORMATS
from report.publication import DIGITS, ReportError, UnknownAccountError, find_database, open_publication

FAILED = 1
MISUSED = 2
# bits, so that a code has all of them
ALERT_CODES: dict[Alert, int] = {"anomaly": 4, "budget": 8, "stale": 16}
INTERRUPTED = 130
PROGRAM = "python -m report"


HELP = """\b
Settings from the environment, with defaults in parentheses:
  FAL_PUBLISH_DIR  the folder that builds publish into (published)
  NO_COLOR         if set, text has no colours on a terminal; elsewhere it never has

\b
Exit codes:
  0    the digest is printed
  1    failure; one line on standard error has the cause
  2    invalid command, or an account that is not published
  4    --fail-on anomaly: an anomaly of the last seven settled days, or of a later day that has landed,
       which no event in seeds/fal_known_events.csv explains
  8    --fail-on budget: a budget is over, or expected to be over at the end of its period
  16   --fail-on stale: a day until yesterday (UTC) has not landed
  130  interrupted
  Several conditions add up: 12 is anomaly and budget. The digest is printed in any case.

\b
Examples:
  python -m report
  python -m report --account acme --format markdown
  python -m report html
  python -m report --fail-on anomaly --fail-on stale > digest.txt || mail -s fal.ai finops < digest.txt
"""


@click.group(
    invoke_without_command=True,
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    epilog=HELP,
)
@click.pass_context
@click.option(
    "--format", "name", type=click.Choice(list(FORMATS)), default="text", show_default=True, help="Output."
)
@click.option("--account", "accounts", multiple=True, help="Only this account. Repeatable.")
@click.option(
    "--fail-on",
    "alerts",
    type=click.Choice(get_args(Alert)),
    multiple=True,
    help="Exit with a code of its own on this condition. Repeatable.",
)
def cli(context: click.Context, name: str, accounts: tuple[str, ...], alerts: tuple[Alert, ...]) -> int:
    """Print the digest of a publication: cost, budgets, anomalies, prices, credits and missing days.

    Without a command, the digest is printed. The text is a page of at most 25 lines, for a terminal of
    110 columns. Markdown has the same lines.
    JSON has all rows.
    """
    if context.invoked_subcommand:
        if any(
            context.get_parameter_source(option) is not ParameterSource.DEFAULT for option in context.params
        ):
            raise click.UsageError(f"{context.invoked_subcommand} has no options")
        return 0
    with open_publication(find_database()) as connection:
        digest = read_digest(connection, accounts, utc_now().date())
    # a name may have characters that the terminal's encoding lacks
    print_result(FORMATS[name](digest).encode(sys.stdout.encoding, "backslashreplace"), line_end=False)
    return sum(code for alert, code in ALERT_CODES.items() if alert in alerts and alert in digest.alerts)


@cli.command()
def html() -> int:
    """Write report.html again, beside the published database, and print its path."""
    try:
        from report.html import replace_report
    except ModuleNotFoundError as error:
        raise ReportError(
            f"the package {error.name} is not installed: pip install 'fal-focus[report]'"
        ) from None
    database = find_database()
    try:
        restrict_new_files()
        print_result(str(replace_report(database)))
    except ValueError as error:
        raise ReportError(str(error)) from None
    except OSError as error:
        reason = error.strerror or str(error)
        raise ReportError(f"{database.with_name(PAGE)} cannot be written: {reason}") from None
    return 0


def main() -> int:
    """Run the command line. Return the exit code."""
    try:
        with localcontext(prec=DIGITS):
            code: int | None = cli.main(prog_name=PROGRAM, standalone_mode=False)
            return code or 0
    except click.exceptions.Abort:
        print_status("error: interrupted")
        return INTERRUPTED
    except click.ClickException as error:
        print_status(f"error: {' '.join(error.format_message().split())}")
        return MISUSED
    except ReportError as error:
        print_status(f"error: {error}")
        return MISUSED if isinstance(error, UnknownAccountError) else FAILED
    except OSError as error:
        print_status(f"error: cannot write to standard output: {error.strerror}")
        return FAILED


if __name__ == "__main__":
    sys.exit(main())
