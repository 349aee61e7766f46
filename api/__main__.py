"""`python -m api`"""

import logging
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
import duckdb

from api import settings
from api.app import application
from api.connections import check_address, server
from api.errors import ServingError, SettingsError
from api.exports import remove_exports
from api.publications import CONFIG
from api.queries import billing_accounts_of_alias, known_billing_accounts
from api.tokens import Tokens
from loaders.files import restrict_new_files
from publishing import DATABASE

FAILED = 1
MISUSED = 2
INTERRUPTED = 130

SETTINGS_HELP = """\b
Settings from the environment:
  FAL_PUBLISH_DIR        the folder that builds publish into (published)
  FOCUS_API_TOKENS_FILE  the file of the tokens' hashes (api_tokens.json); it is read again when it changes
  FOCUS_API_TOKENS       in place of the file, what it would hold
  FOCUS_API_EXPORT_DIR   the server's own folder, for exports and for publications in use (exports)
  FAL_FILE_MODE          who may read new files: private, the default, or group
  FOCUS_API_RATE_LIMIT   how often a token may be used (600/minute); also /second and /hour
  FOCUS_API_ROW_RATE_LIMIT
                         how many records a token may read (1000000/minute)
  FOCUS_API_EXPORT_QUOTA how many bytes the exports of a token may have (5GB)
  FOCUS_API_EXPORT_FLOOR how much free space exports leave (1GB)
  FOCUS_API_URL          what addresses of downloads begin with, such as https://costs.example.com
  FOCUS_API_FIELDS       standard: the fields of FOCUS's API document alone, to every token (all)

\b
Exit codes:
  1    something failed; one line on standard error says what
  2    the command or a setting was misused
  130  interrupted"""


@click.group(
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]}, epilog=SETTINGS_HELP
)
def cli() -> None:
    """Serve what is published as the FOCUS Cost and Usage API."""


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen at.")
@click.option("--port", type=click.IntRange(0, 65535), default=8000, show_default=True)
def serve(host: str, port: int) -> None:
    """Answer requests until it is stopped; what is published meanwhile is served from then on.

    It speaks plain HTTP: beyond this machine, put it behind a proxy that speaks TLS.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    read = settings.from_environment()
    check_address(host, port)
    try:
        app = application(read)
    except OSError as error:
        raise ServingError(f"{error.filename} cannot be written: {error.strerror}") from None
    if not read.publish_dir.is_dir():
        logging.warning(
            "FAL_PUBLISH_DIR (%s) does not exist: requests are answered 503 until dbt build publishes there",
            read.publish_dir,
        )
    if not Tokens(read.tokens_file, read.tokens_json).callers():
        logging.warning("nobody may ask yet: make a token with python -m api token create --name X")
    try:
        server(app, host, port).run()
    except SystemExit:  # it could not be started, and has said why
        sys.exit(FAILED)


@cli.group()
def token() -> None:
    """Who may ask."""


@token.command()
@click.option("--name", required=True, help="What to call it; it appears in the log.")
@click.option(
    "--billing-account", "billing_accounts", multiple=True, help="Limit it to this account. Repeatable."
)
@click.option(
    "--standard-fields", is_flag=True, help="Serve it the fields of FOCUS's API document alone, without ours."
)
def create(name: str, billing_accounts: tuple[str, ...], standard_fields: bool) -> None:
    """Make a token and print it; it is shown this once, since only its SHA-256 is kept."""
    read = settings.from_environment()
    tokens = Tokens(read.tokens_file, read.tokens_json)
    print(tokens.create(name, frozenset(billing_accounts), standard_fields))
    for warning in account_warnings(read.publish_dir / DATABASE, billing_accounts):
        print(f"warning: {warning}", file=sys.stderr)


@token.command()
@click.option("--name", required=True, help="What the token is called.")
def revoke(name: str) -> None:
    """Remove a token and the files that it exported; a running server refuses it from then on."""
    read = settings.from_environment()
    revoked = Tokens(read.tokens_file, read.tokens_json).revoke(name)
    remove_exports(read.export_dir, revoked.owners)
    print(f"{name} is revoked")


def account_warnings(published: Path, billing_accounts: Iterable[str]) -> Iterator[str]:
    """A line for each billing account that is not published: a token for it sees nothing."""
    if not billing_accounts:
        return
    try:
        with duckdb.connect(str(published), read_only=True, config=CONFIG) as connection:
            known = known_billing_accounts(connection)
            aliases = {name: billing_accounts_of_alias(connection, name) for name in billing_accounts}
    except duckdb.Error:
        yield f"{published} cannot be read: whether the billing accounts exist was not checked"
        return
    for name in billing_accounts:
        if name not in known:
            hint = f"{' and '.join(aliases[name])} is the id of alias {name}; " if aliases[name] else ""
            yield f"no billing account {name} is published: {hint}known ids are {', '.join(known) or 'none'}"


def main() -> int:
    """The command line; its exit code."""
    try:
        restrict_new_files()
    except ValueError as error:
        print(f"error: {error}", file=sys.stderr)
        return MISUSED
    try:
        cli(standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:  # no command: which there are
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
