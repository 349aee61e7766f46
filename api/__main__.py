"""`python -m api`"""

import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import duckdb

from api.app import create_application
from api.errors import ServingError, SettingsError
from api.export_jobs import remove_exports
from api.publications import CONFIG
from api.queries import list_billing_accounts, list_billing_accounts_of_alias
from api.server import check_address, create_server
from api.settings import read_settings
from api.tokens import Tokens
from loaders.files import restrict_new_files
from publishing.database import DATABASE

FAILED = 1
MISUSED = 2
INTERRUPTED = 130

SETTINGS_HELP = """\b
Settings from the environment, with defaults in parentheses:
  FAL_PUBLISH_DIR        the folder that builds publish into (published)
  FOCUS_API_TOKENS_FILE  the file of the tokens' hashes (api_tokens.json), which is read again when it changes
  FOCUS_API_TOKENS       the content of that file, in place of the file
  FOCUS_API_EXPORT_DIR   the server's own folder, for exports and publications in use (exports)
  FAL_FILE_MODE          who may read new files: private, the default, or group
  FOCUS_API_RATE_LIMIT   requests of a token (600/minute); also /second and /hour
  FOCUS_API_ROW_RATE_LIMIT
                         records that a token may read (1000000/minute)
  FOCUS_API_EXPORT_QUOTA bytes that the exports of a token may use (5GB)
  FOCUS_API_EXPORT_FLOOR free space that exports and copies leave on the disk (1GB)
  FOCUS_API_URL          start of download addresses, such as https://costs.example.com
  FOCUS_API_FIELDS       standard: serve only the fields of FOCUS's API document (all)

\b
Exit codes:
  1    failure; one line on standard error has the cause
  2    invalid command or setting
  130  interrupted"""


@click.group(
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]}, epilog=SETTINGS_HELP
)
def cli() -> None:
    """Serve the published marts as the FOCUS Cost and Usage API."""


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
def serve(host: str, port: int) -> None:
    """Run the server. A new publication is served within a second.

    The server uses plain HTTP. For clients on other machines, put it behind a proxy with TLS.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    settings = read_settings()
    check_address(host, port)
    try:
        app = create_application(settings)
    except OSError as error:
        raise ServingError(f"{error.filename} cannot be written: {error.strerror}") from None
    if not settings.publish_dir.is_dir():
        logging.warning(
            "FAL_PUBLISH_DIR (%s) does not exist: all requests get a 503 until dbt build publishes there",
            settings.publish_dir,
        )
    if not Tokens(settings.tokens_file, settings.tokens_json).read():
        logging.warning("there are no tokens yet: create one with python -m api token create --name X")
    try:
        create_server(app, host, port).run()
    except SystemExit:  # the start failed, and uvicorn has printed the cause
        sys.exit(FAILED)


@cli.group()
def token() -> None:
    """Create and revoke tokens, which clients send with each request."""


@token.command()
@click.option("--name", required=True, help="Name of the token; it appears in the log.")
@click.option(
    "--billing-account",
    "billing_accounts",
    multiple=True,
    help="Limit the token to this BillingAccountId. Repeatable.",
)
@click.option(
    "--standard-fields", is_flag=True, help="Serve only the fields of FOCUS's API document to this token."
)
def create(name: str, billing_accounts: tuple[str, ...], standard_fields: bool) -> None:
    """Create a token and print it. It cannot be shown again: only its SHA-256 is stored."""
    settings = read_settings()
    tokens = Tokens(settings.tokens_file, settings.tokens_json)
    print(tokens.create(name, frozenset(billing_accounts), standard_fields))
    for warning in check_accounts(settings.publish_dir / DATABASE, billing_accounts):
        print(f"warning: {warning}", file=sys.stderr)


@token.command()
@click.option("--name", required=True, help="Name of the token.")
def revoke(name: str) -> None:
    """Remove a token and its exported files. A running server refuses the token from then on."""
    settings = read_settings()
    revoked = Tokens(settings.tokens_file, settings.tokens_json).revoke(name)
    remove_exports(settings.export_dir, revoked.owner_prefix)
    print(f"{name} is revoked")


def check_accounts(published: Path, billing_accounts: Iterable[str]) -> Iterator[str]:
    """Yield a warning for each billing account without published records. It would see nothing."""
    if not billing_accounts:
        return
    try:
        with duckdb.connect(str(published), read_only=True, config=CONFIG) as connection:
            known = list_billing_accounts(connection)
            aliases = {name: list_billing_accounts_of_alias(connection, name) for name in billing_accounts}
    except duckdb.Error:
        yield f"{published} cannot be read, so the billing accounts were not checked"
        return
    for name in billing_accounts:
        if name not in known:
            hint = f"{' and '.join(aliases[name])} is the id of alias {name}; " if aliases[name] else ""
            ids = ", ".join(known) or "none"
            yield f"billing account {name} has no published records: {hint}known ids are {ids}"


def main() -> int:
    """Run the command line. Return the exit code."""
    try:
        restrict_new_files()
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISUSED
    try:
        cli(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:  # without a command: the list of commands
        error.show()
        return MISUSED
    except click.ClickException as error:
        print(f"error: {' '.join(error.format_message().split())}", file=sys.stderr)
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
