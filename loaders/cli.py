"""The command line: what each command takes, and what it says. `--help` of each is its manual."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from functools import partial

import click

from loaders import adhoc, billing_events, clock, focus_reports, settings, sync, verify
from loaders.api import FalApi
from loaders.errors import LoaderError, NotFoundError, UnauthorizedError
from loaders.landing import READ_FOR, LandingZone, Manifest
from loaders.options import (
    When,
    common_options,
    landed_dir_option,
    month_option,
    of_accounts_option,
    when_option,
)
from loaders.parallel import HOPELESS, Outcome, land_all
from loaders.progress import count, described, reporting, say, tell, tracked

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
PROGRAM = "python -m loaders"

SETTINGS_HELP = """\b
Settings from the environment:
  FAL_KEY             an admin key of the account; no flag, since flags show in process lists
  FAL_KEY_FILE        in place of FAL_KEY, the file that holds it, which only its owner may open (chmod 600)
  FAL_API_URL, FAL_ACCOUNT, FAL_LANDING_DIR   in place of --api-url, --account, --landing-dir
  FAL_FILE_MODE       who may read what lands: private, the default (files 0600, folders 0700), or group
                      (0640 and 0750); what exists keeps its mode
  FAL_TIMEOUT         seconds a connection may stay silent (60); one try may take ten times as long in all
  FAL_RETRY_MAX_WAIT  longest pause between two of the six tries a request has, in seconds (60), unless fal
                      asks for more; where it asks for more than ten minutes, the run ends and says so
  FAL_MAX_PAGES       pages of a day that are followed (20,000, at most 99,999); a day with more fails

\b
Exit codes:
  0    all that was asked for is there; for sync, all invoices that the account has
  1    something failed; one line each on standard error says what, and what landed stays
  2    the command was misused
  130  interrupted"""


@click.group(
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    epilog=f"Each command has its own --help. {PROGRAM} sync is the one to run every day.\n\n{SETTINGS_HELP}",
)
def cli() -> None:
    """Land what the fal.ai billing endpoints answer, byte for byte.

    \b
    A load is one whole fetch of a UTC day or a billing month. It becomes visible in one step, never changes,
    and the latest load of each day or month counts; `prune` removes the others, `verify` checks them all.

    \b
    One loader at a time lands an account. A day that was stopped goes on at the page where it stopped when
    it is run again within an hour, unless it was begun more than a day ago.
    """


# ------------------------------------------------------------------------------------------------ commands


@cli.command("billing-events", epilog=SETTINGS_HELP)
@when_option("--start", help="First UTC day to land.")
@when_option("--end", help="The day after the last one: the end is exclusive.")
@click.option(
    "--page-size",
    type=click.IntRange(min=1),
    default=billing_events.DEFAULT_PAGE_SIZE,
    show_default=True,
    help="Events asked for per request; fal may send fewer.",
)
@click.option(
    "--endpoint-id", "endpoint_ids", multiple=True, help="Ad hoc: only this endpoint. Repeatable, at most 50."
)
@click.option(
    "--request-id", "request_ids", multiple=True, help="Ad hoc: only this request. Repeatable, at most 50."
)
@click.option(
    "--expand",
    "expansions",
    multiple=True,
    help="Ad hoc: ask for these fields, such as auth_method. Repeatable.",
)
@common_options
def billing_events_command(
    start: When | None,
    end: When | None,
    page_size: int,
    endpoint_ids: tuple[str, ...],
    request_ids: tuple[str, ...],
    expansions: tuple[str, ...],
    account: str,
    api_url: str,
    landing_dir: str,
    concurrency: int,
) -> int:
    """Land the billing events of every UTC day from --start until before --end.

    With --endpoint-id, --request-id or --expand it is an ad hoc pull: the events go to standard output, one
    JSON object a line, newest first, each number as fal wrote it, and nothing is landed, since a filtered day
    is no day. --start and --end may then be times, too, or be left out (fal takes the last 24 hours).

    \b
    Examples:
      python -m loaders billing-events --start 2026-01-01 --end 2026-02-01
      python -m loaders billing-events --start 2026-01-05 --end 2026-01-06 --endpoint-id fal-ai/flux/dev
      python -m loaders billing-events --request-id 75f39a1c-562b-44e7-91b2-a2fd0affed6f
    """
    if endpoint_ids or request_ids or expansions:
        filters = {
            "endpoint_id": endpoint_ids,
            "request_id": request_ids,
            "expand": expansions or ("auth_method",),
        }
        with fal_api(api_url, 1) as api:
            adhoc.print_events(api, start, end, page_size, filters)
        return 0
    days = whole_days(start, end)
    with fal_api(api_url, concurrency) as api, landing_zone(landing_dir, account) as zone:
        jobs = [partial(billing_events.land_day, api, zone, account, day, page_size) for day in days]
        return concluded(run(api, jobs, concurrency), zone)


@cli.command("focus-report", epilog=SETTINGS_HELP)
@click.option(
    "--source",
    type=click.Choice(["invoice", "estimate"]),
    required=True,
    help="What was billed, or live usage.",
)
@month_option("--billing-month", help="invoice: the month it was issued in. Default: this month.")
@month_option("--charge-month", help="invoice: the month of the charges, one before the billing month.")
@when_option("--start", help="estimate: first UTC day.")
@when_option("--end", help="estimate: the day after the last one: the end is exclusive.")
@click.option(
    "--timezone", help="estimate: time zone of the buckets; another than UTC is ad hoc.  [default: UTC]"
)
@click.option(
    "--timeframe",
    type=click.Choice(focus_reports.TIMEFRAMES),
    help="estimate: length of the buckets; week and month are ad hoc.  [default: day]",
)
@click.option(
    "--bound-to-timeframe/--no-bound-to-timeframe",
    "bound",
    default=None,
    help="estimate: whether start and end move out to whole buckets. Default: as fal does, which moves them.",
)
@click.option("--adhoc", "is_adhoc", is_flag=True, help="Print the CSV to standard output and land nothing.")
@common_options
def focus_report_command(
    source: str,
    billing_month: str | None,
    charge_month: str | None,
    start: When | None,
    end: When | None,
    timezone: str | None,
    timeframe: str | None,
    bound: bool | None,
    is_adhoc: bool,
    account: str,
    api_url: str,
    landing_dir: str,
    concurrency: int,
) -> int:
    """Land a FOCUS report: the invoice of a billing month, or estimates, one UTC day at a time.

    The landing zone knows UTC days and billing months. --charge-month M lands the invoice of the month after
    M. With --adhoc, a --timezone other than UTC, or a --timeframe of week or month, every parameter is passed
    on as given, the CSV goes to standard output, and nothing is landed.

    \b
    Examples:
      python -m loaders focus-report --source invoice --billing-month 2026-02
      python -m loaders focus-report --source invoice --charge-month 2026-01
      python -m loaders focus-report --source estimate --start 2026-02-01 --end 2026-02-08 --timeframe hour
      python -m loaders focus-report --source estimate --start 2026-01-01 --end 2026-02-01 --timeframe month
    """
    if billing_month and charge_month:
        raise click.UsageError("--billing-month and --charge-month mean the same invoice: give one of them.")
    if is_adhoc or timezone not in (None, "UTC") or timeframe not in (None, *focus_reports.LANDED_TIMEFRAMES):
        given: dict[str, str | None] = {
            "source": source,
            "billing_month": billing_month,
            "charge_month": charge_month,
            "start": start.text if start else None,
            "end": end.text if end else None,
            "timezone": timezone,
            "timeframe": timeframe,
            "bound_to_timeframe": None if bound is None else str(bound).lower(),
        }
        with fal_api(api_url, 1) as api:
            adhoc.print_report(api, {name: value for name, value in given.items() if value is not None})
        return 0
    if source == "invoice":
        refuse_with(
            "invoice", start=start, end=end, timezone=timezone, timeframe=timeframe, bound_to_timeframe=bound
        )
        month = billing_month_of(billing_month, charge_month)
        with fal_api(api_url, concurrency) as api, landing_zone(landing_dir, account) as zone:
            return concluded(
                run(api, [partial(focus_reports.land_invoice, api, zone, account, month)], 1), zone
            )
    refuse_with("estimate", billing_month=billing_month, charge_month=charge_month)
    days = whole_days(start, end)
    with fal_api(api_url, concurrency) as api, landing_zone(landing_dir, account) as zone:
        jobs = [
            partial(focus_reports.land_estimate, api, zone, account, day, timeframe or "day", bound)
            for day in days
        ]
        return concluded(run(api, jobs, concurrency), zone)


@cli.command("sync", epilog=SETTINGS_HELP)
@when_option("--since", help="First UTC day to look at.  [default: see above]")
@common_options
def sync_command(since: When | None, account: str, api_url: str, landing_dir: str, concurrency: int) -> int:
    """Land what is missing or may have changed. Run it every day.

    \b
    Days (UTC), up to the current one:
      missing    never landed
      open       not over when it was fetched last, or fetched by a clock that was ahead
      unsettled  fetched last earlier than three days after it ended: events arrive late
    \b
    Invoices, by billing month, which holds the charges of the month before:
      missing    never landed, from the month after that of --since up to the current one
      open       not over when it was fetched last
      always     the current one and the one before it, since they may be issued anew

    Without --since it begins at the first day ever landed, and in an empty landing zone on the first day of
    the month before last. An account without FOCUS reports is told once and is no failure.

    \b
    Examples:
      python -m loaders sync
      python -m loaders sync --since 2025-06-01
    """
    now = clock.utc_now()
    today = now.date()
    with fal_api(api_url, concurrency) as api, landing_zone(landing_dir, account) as zone:
        landed_days = zone.landed_values("billing_events", account)
        first = whole_day("--since", since) if since else sync.default_since(landed_days, today)
        if first > today and since:
            raise click.UsageError(f"--since {first} lies in the future: today is {today} (UTC).")
        if first > today:
            raise LoaderError(
                f"the first landed day, {first}, lies in the future: today is {today} (UTC); "
                "check the clock of this machine"
            )
        plan = planned(zone, account, first, now)
        tell(f"{account} since {first}: {plan}")
        page_size = billing_events.DEFAULT_PAGE_SIZE
        jobs = [partial(billing_events.land_day, api, zone, account, day, page_size) for day in plan.days]
        outcome = run(api, jobs, concurrency)
        sync_invoices(api, zone, account, plan.invoices, outcome)
        return concluded(outcome, zone)


@cli.command("prune")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Loads to keep of each day or month.",
)
@of_accounts_option
@landed_dir_option
def prune_command(keep: int, account: str | None, landing_dir: str) -> int:
    """Remove superseded loads. It needs no key, and may run beside loaders and builds.

    The latest load of each day or month always stays. So do those that were superseded less than six hours
    ago, since a build that began before may still be reading them, and those that only broken loads came
    after: without a manifest that can be read, or without a page.

    \b
    Examples:
      python -m loaders prune
      python -m loaders prune --keep 3 --account acme

    \b
    Exit codes: 0 done, 1 something could not be removed, 2 the command was misused.
    """
    zone = landed_zone(landing_dir, account)
    pruned = zone.prune(keep, account)
    touched = count(len({load.parent for load in pruned.removed}), "partition")
    left = f"left {pruned.left:,} that were superseded within the last {READ_FOR // timedelta(hours=1)} hours"
    needed = f", and {pruned.needed:,} that broken loads came after; see verify" if pruned.needed else ""
    removed = count(len(pruned.removed), "superseded load")
    tell(f"removed {removed} of {touched}, kept {keep} of each, {left}{needed}")
    return 0


@cli.command("verify")
@of_accounts_option
@landed_dir_option
def verify_command(account: str | None, landing_dir: str) -> int:
    """Check what has landed, and say what to load again. It needs no key, and changes nothing.

    It reads every load, superseded ones too: whether each file is there, whole, and what the manifest says
    (sha256, bytes, rows), whether it is JSON or CSV, and whether the manifest fits the folder. It finds days
    that are missing between the first and the last of an account's events or of its estimates, and folders
    that no model reads. It cannot tell a missing invoice from a month without one; sync asks for it.

    Each finding is a line on standard error, the commands that land what is broken or missing are on standard
    output.

    \b
    Examples:
      python -m loaders verify
      python -m loaders verify --account acme

    \b
    Exit codes: 0 all is well, 1 something is wrong, 2 the command was misused.
    """
    zone = landed_zone(landing_dir, account)
    loads, findings = verify.inspect(zone.folder, account)
    if account is not None and not loads and not findings:
        what_to_do = "check --account and FAL_LANDING_DIR"
        raise LoaderError(f"nothing of account {account} has landed in {zone.folder}; {what_to_do}")
    for load in tracked(loads, "verifying"):
        findings += verify.check(zone.folder, load)
    for finding in sorted(findings, key=str):
        say(f"error: {finding}")
    verdict = (
        count(len(findings), "finding") if findings else "all is well" if loads else "nothing has landed"
    )
    tell(f"checked {count(len(loads), 'load')}: {verdict}")
    if commands := verify.commands(zone.folder, findings):
        tell("to load again, with the key of each account:")
    for command in commands:
        tell(f"  {command}")
    return FAILED if findings else 0


# ------------------------------------------------------------------------------------------------ steps


@contextmanager
def fal_api(api_url: str, concurrency: int) -> Iterator[FalApi]:
    """The API with the settings of this run."""
    with FalApi(settings.connection(api_url), concurrency) as api:
        yield api


@contextmanager
def landing_zone(landing_dir: str, account: str) -> Iterator[LandingZone]:
    """The landing zone, ready to be written to."""
    settings.checked_account(account)
    with LandingZone(settings.checked_landing_dir(landing_dir)).writing(account) as zone:
        yield zone


def landed_zone(landing_dir: str, account: str | None) -> LandingZone:
    """A landing zone that is there, and a line that says whose loads are looked at."""
    if account is not None:
        settings.checked_account(account)
    zone = LandingZone(settings.checked_landing_dir(landing_dir))
    if not zone.exists():
        raise LoaderError(f"there is no landing folder {zone.folder}; check FAL_LANDING_DIR")
    whose = f"account {account}" if account else "all accounts, whatever FAL_ACCOUNT says"
    tell(f"loads in {zone.folder} of {whose}:")
    return zone


def whole_days(start: When | None, end: When | None) -> list[date]:
    """The UTC days of a window to land. A usage error when it is none, or not over whole days."""
    if start is None or end is None:
        raise click.UsageError(
            "--start and --end are needed: the first UTC day, and the day after the last one."
        )
    first, last = whole_day("--start", start), whole_day("--end", end)
    today = clock.utc_now().date()
    if first >= last:
        raise click.UsageError(f"--end {last} is not after --start {first}: the end is exclusive.")
    if last > today + timedelta(days=1):
        raise click.UsageError(
            f"--end {last} lies in the future: the last day to land is today, {today} (UTC)."
        )
    return clock.days_between(first, last)


def whole_day(option: str, when: When) -> date:
    """The day that was given. A usage error when it is a time of day."""
    if when.day is None:
        raise click.UsageError(
            f"{option} {when.text}: what is landed are whole UTC days: write it as YYYY-MM-DD."
        )
    return when.day


def billing_month_of(billing_month: str | None, charge_month: str | None) -> str:
    """The billing month asked for; that of a charge month is the one after it. Default: this month."""
    if charge_month:
        return clock.month_text(clock.month_start(charge_month, 1))
    return billing_month or clock.month_text(clock.utc_now().date())


def refuse_with(source: str, **options: object) -> None:
    """A usage error when an option of the other source was given."""
    for name, value in options.items():
        if value is not None:
            raise click.UsageError(f"--{name.replace('_', '-')} does not go with --source {source}.")


def planned(zone: LandingZone, account: str, since: date, now: datetime) -> sync.Plan:
    """What a sync has to fetch, from what has landed."""
    days = clock.days_between(since, now.date() + timedelta(days=1))
    latest = {day: zone.latest(billing_events.partition_of(account, day)) for day in days}
    months = zone.landed_values("focus_reports", account, "invoice")
    invoices = {month: zone.latest(focus_reports.invoice_of(account, month)) for month in months}
    return sync.Plan(sync.plan_days(latest, now), sync.plan_invoices(since, now, invoices))


def sync_invoices(
    api: FalApi, zone: LandingZone, account: str, months: Sequence[str], outcome: Outcome
) -> None:
    """Fetch invoices one after the other; that an account has none is said once and is no failure."""
    none_yet: list[str] = []
    for month in months:
        try:
            manifest = focus_reports.land_invoice(api, zone, account, month)
        except UnauthorizedError as error:
            say(f"{account} has no FOCUS reports: {error}")
            return
        except NotFoundError:
            none_yet.append(month)
        except HOPELESS:
            raise
        except LoaderError as error:
            outcome.failed.append(error)
        else:
            outcome.landed.append(manifest)
            say(f"landed {described(manifest)}")
    if none_yet and none_yet == list(months):
        say(f"{account} has no FOCUS reports, or no invoice yet: none for {', '.join(none_yet)}")
    elif none_yet:
        say(f"no invoice yet: {', '.join(none_yet)}")


def run(api: FalApi, jobs: Sequence[Callable[[], Manifest]], concurrency: int) -> Outcome:
    """Land everything, with progress."""
    with reporting(len(jobs)) as reporter:
        return land_all(api, jobs, concurrency, reporter)


def concluded(outcome: Outcome, zone: LandingZone) -> int:
    """Say what landed and what failed; the exit code."""
    if outcome.landed or not outcome.failed:
        tell(f"{summary(outcome.landed)} in {zone.folder}")
    for line in sorted(str(error) for error in outcome.failed):
        say(f"error: {line}")
    return FAILED if outcome.failed else 0


def summary(landed: Sequence[Manifest]) -> str:
    """`landed 12 days with 24,000 events, 2 invoices with 310 rows`"""
    events = [manifest.rows for manifest in landed if manifest.feed == "billing_events"]
    invoices = [manifest.rows for manifest in landed if manifest.source == "invoice"]
    estimates = [manifest.rows for manifest in landed if manifest.source == "estimate"]
    parts = [
        f"{count(len(rows), noun)} with {count(sum(rows), row)}"
        for rows, noun, row in (
            (events, "day", "event"),
            (invoices, "invoice", "row"),
            (estimates, "day", "estimate row"),
        )
        if rows
    ]
    return f"landed {', '.join(parts) or 'nothing'}"


# ------------------------------------------------------------------------------------------------ entry


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. What a user can cause is one line on standard error."""
    given = list(sys.argv[1:] if args is None else args)
    try:
        settings.restrict_files()
        return cli.main(given or ["--help"], prog_name=PROGRAM, standalone_mode=False) or 0
    except click.exceptions.Abort:
        say("error: interrupted; what has landed stays, run it again to go on")
        return INTERRUPTED
    except click.ClickException as error:
        say(f"error: {' '.join(error.format_message().split())}")
        return MISUSED
    except LoaderError as error:
        say(f"error: {error}")
        return FAILED
    except OSError as error:  # of the landing folder and the network it would be a LoaderError
        say(f"error: cannot write to standard output: {error.strerror}")
        return FAILED
