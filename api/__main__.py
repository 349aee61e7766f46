"""`python -m api`"""

import logging
import sys

import click
import uvicorn

from api import settings
from api.app import application
from api.errors import ServingError, SettingsError
from api.tokens import Tokens

FAILED = 1
MISUSED = 2
INTERRUPTED = 130


@click.group(context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Serve what is published as the FOCUS Cost and Usage API."""


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
def serve(host: str, port: int) -> None:
    """Answer requests until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    app = application(settings.from_environment())
    uvicorn.run(app, host=host, port=port, access_log=False, server_header=False, log_config=None, ws="none")


@cli.group()
def token() -> None:
    """Who may ask."""


@token.command()
@click.option("--name", required=True, help="What to call it; it appears in the log.")
@click.option(
    "--billing-account", "billing_accounts", multiple=True, help="Limit it to this account. Repeatable."
)
def create(name: str, billing_accounts: tuple[str, ...]) -> None:
    """Make a token and print it; it is shown this once, since only its SHA-256 is kept."""
    read = settings.from_environment()
    print(Tokens(read.tokens_file, read.tokens_json).create(name, frozenset(billing_accounts)))


def main() -> int:
    """The command line; its exit code."""
    try:
        cli(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return MISUSED
    except SettingsError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISUSED
    except ServingError as error:
        print(f"error: {error}", file=sys.stderr)
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        print("error: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
