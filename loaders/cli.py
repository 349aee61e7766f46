"""The command line. `--help` of each command is its manual."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click

from loaders import (
    adhoc,
    billing_events,
    clock,
    focus_reports,
    serverless_usage,
    settings,
    sync,
    verify,
)
from loaders.api import FalApi
from loaders.errors import LoaderError
from loaders.landing import READ_FOR, SNAPSHOTS, LandingZone
from loaders.options import (
    Target,
    When,
    account_filter_option,
    add_api_options,
    landing_dir_option,
    month_option,
    organization_option,
    when_option,
)
from loaders.organization import Teams, find_teams, land_events
from loaders.parallel import Outcome, land, land_feed
from loaders.progress import format_count, print_result, print_status, summarize, track

FAILED = 1
MISUSED = 2
INTERRUPTED = 130
PROGRAM = "python -m loaders"

SETTINGS_HELP = """\b
Settings from the environment:
  FAL_KEY             an admin key of the account; it has no flag, since process lists show flags
  FAL_KEY_FILE        instead of FAL_KEY, a file with the key that only its owner can open (chmod 600)
  FAL_API_URL, FAL_ACCOUNT, FAL_LANDING_DIR   instead of --api-url, --account, --landing-dir
  FAL_ORGANIZATION    1 for --organization: the key is that of the root of an organization
  FAL_FILE_MODE       who can read new files: private, the default (files 0600, folders 0700), or group
                      (0640 and 0750); existing files keep their modes
  FAL_TIMEOUT         seconds that a connection may stay silent (60); an attempt may take ten times as long
  FAL_RETRY_MAX_WAIT  longest pause between the six attempts of a request, in seconds (60), unless fal
                      requests more; if fal requests more than ten minutes, the run ends with an error,
                      or for a feed that an account may lack, sync goes on with the other feeds
  FAL_MAX_PAGES       most pages of a load (20,000, at most 99,999); a day with more fails

\b
Exit codes:
  0    everything requested has landed; for sync, all that exists and that the account may use
  1    something failed: standard error has a line for each failure, and what has landed stays
  2    the command was used wrongly
  130  interrupted"""


@dataclass(frozen=True)
class ReportOptions:
    """The options of focus-report; None if an option is missing."""

    source: str
    billing_month: str | None
    charge_month: str | None
    start: When | None
    end: When | None
    timezone: str | None
    timeframe: str | None
    bound_to_timeframe: bool | None

    @property
    def can_land(self) -> bool:
        """Whether the report has the days and buckets of the landing zone."""
        timeframes = (None, *focus_reports.LANDED_TIMEFRAMES)
        return self.timezone in (None, "UTC") and self.timeframe in timeframes


@click.group(
    context_settings={"max_content_width": 110, "help_option_names": ["-h", "--help"]},
    epilog=f"Each command has its own --help. Run {PROGRAM} sync every day.\n\n{SETTINGS_HELP}",
)
def cli() -> None:
    """Land the responses of the fal.ai billing endpoints, byte for byte.

    \b
    A load is one complete fetch of a UTC day, a billing month or a snapshot. It becomes visible in one step
    and never changes. The latest load of each day or month counts; `prune` removes the others, `verify`
    checks all.

    \b
    One loader at a time lands an account. An interrupted day resumes at the page where it stopped, if it is
    run again within an hour and started less than a day ago.
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
    help="Most events of a page; fal may send fewer, with --organization at most 100.",
)
@click.option("--endpoint-id", multiple=True, help="Ad hoc: only this endpoint. Repeatable, at most 50.")
@click.option("--request-id", multiple=True, help="Ad hoc: only this request. Repeatable, at most 50.")
@click.option("--expand", multiple=True, help="Ad hoc: add these fields, such as auth_method. Repeatable.")
@organization_option(help="Land the events of every team of the organization whose root has the key.")
@add_api_options
def billing_events_command(
    target: Target,
    start: When | None,
    end: When | None,
    page_size: int,
    is_organization: bool,
    **filters: tuple[str, ...],
) -> int:
    """Land the billing events of every UTC day from --start until before --end.

    --endpoint-id, --request-id and --expand make an ad hoc pull: the events go to standard output, one JSON
    object a line, newest first, with the numbers as fal wrote them. Nothing is landed, since a filtered day
    is not complete. --start and --end may then be times, or be omitted (fal uses the last 24 hours).

    --organization lands each team and day as a load of its own: the teams that fal lists and those that have
    landed before. fal sends at most 100 events a page, so a higher --concurrency helps.

    \b
    Examples:
      python -m loaders billing-events --start 2026-01-01 --end 2026-02-01
      python -m loaders billing-events --start 2026-01-01 --end 2026-02-01 --organization --concurrency 16
      python -m loaders billing-events --start 2026-01-05 --end 2026-01-06 --endpoint-id fal-ai/flux/dev
      python -m loaders billing-events --request-id 75f39a1c-562b-44e7-91b2-a2fd0affed6f
    """
    if any(filters.values()):
        filters["expand"] = filters["expand"] or ("auth_method",)
        listing, size = billing_events.choose_listing(is_organization, page_size)
        with open_api(target) as api:
            adhoc.print_events(api, listing, start, end, size, filters)
        return 0
    days = list_whole_days(start, end)
    with open_api(target) as api, open_zone(target) as zone:
        teams = find_teams(api, zone, target.account) if is_organization else Teams()
        partitions = [
            billing_events.locate_day(target.account, day, team) for day in days for team in teams.all
        ]
        outcome = land_events(api, zone, partitions, teams, page_size, target.concurrency)
        return report_outcome(outcome, zone)


@cli.command("serverless-usage", epilog=SETTINGS_HELP)
@when_option("--start", help="First UTC day to land.")
@when_option("--end", help="The day after the last one: the end is exclusive.")
@add_api_options
def serverless_usage_command(target: Target, start: When | None, end: When | None) -> int:
    """Land the serverless usage of every UTC day from --start until before --end.

    This is what the account's own apps on fal Serverless use. Billing events do not contain it. It needs an
    admin key.

    \b
    Example:
      python -m loaders serverless-usage --start 2026-01-01 --end 2026-02-01
    """
    days = list_whole_days(start, end)
    with open_api(target) as api, open_zone(target) as zone:
        jobs = [partial(serverless_usage.land_day, api, zone, target.account, day) for day in days]
        return report_outcome(land(api, jobs, target.concurrency), zone)


@cli.command("catalogue", epilog=SETTINGS_HELP)
@click.argument("kinds", nargs=-1, type=click.Choice(SNAPSHOTS))
@add_api_options
def catalogue_command(target: Target, kinds: tuple[str, ...]) -> int:
    """Land snapshots as of now: keys, models, pricing, teams and balance, all by default.

    Models and pricing are those of the endpoints of landed events, so land events first. An endpoint that
    fal does not know is left out for a week. Without arguments, a snapshot that the account may not fetch
    gets one line, which is not a failure.

    \b
    Examples:
      python -m loaders catalogue
      python -m loaders catalogue keys balance
    """
    with open_api(target) as api, open_zone(target) as zone:
        if kinds:
            jobs, reason = sync.make_snapshot_jobs(api, zone, target.account, kinds)
            outcome = land(api, list(jobs.values()), target.concurrency)
            outcome.failed += [LoaderError(reason)] if reason else []
            return report_outcome(outcome, zone)
        outcome = Outcome()
        sync.land_snapshots(api, zone, target.account, SNAPSHOTS, target.concurrency, outcome)
        return report_outcome(outcome, zone)


@cli.command("focus-report", epilog=SETTINGS_HELP)
@click.option(
    "--source",
    type=click.Choice(["invoice", "estimate"]),
    required=True,
    help="Billed charges, or live usage.",
)
@month_option("--billing-month", help="invoice: the month of its issue. Default: this month.")
@month_option("--charge-month", help="invoice: the month of the charges, one before the billing month.")
@when_option("--start", help="estimate: first UTC day.")
@when_option("--end", help="estimate: the day after the last one: the end is exclusive.")
@click.option(
    "--timezone", help="estimate: time zone of the buckets; all except UTC are ad hoc.  [default: UTC]"
)
@click.option(
    "--timeframe",
    type=click.Choice(focus_reports.TIMEFRAMES),
    help="estimate: length of the buckets; week and month are ad hoc.  [default: day]",
)
@click.option(
    "--bound-to-timeframe/--no-bound-to-timeframe",
    default=None,
    help="estimate: whether start and end are extended to whole buckets. fal does that by default.",
)
@click.option("--adhoc", "is_adhoc", is_flag=True, help="Print the CSV on standard output, and land nothing.")
@organization_option(help="The report of all teams of the organization whose root has the key.")
@add_api_options
def focus_report_command(target: Target, is_adhoc: bool, is_organization: bool, **values: Any) -> int:  # noqa: ANN401  # by click
    """Land a FOCUS report: the invoice of a billing month, or estimates, one UTC day at a time.

    The landing zone has UTC days and billing months. --charge-month M lands the invoice of the month after M.
    With --adhoc, a --timezone other than UTC, or a --timeframe of week or month, all parameters are sent as
    given, the CSV goes to standard output, and nothing is landed.

    \b
    Examples:
      python -m loaders focus-report --source invoice --billing-month 2026-02
      python -m loaders focus-report --source invoice --charge-month 2026-01
      python -m loaders focus-report --source estimate --start 2026-02-01 --end 2026-02-08 --timeframe hour
      python -m loaders focus-report --source estimate --start 2026-01-01 --end 2026-02-01 --timeframe month
    """
    options, path = ReportOptions(**values), focus_reports.choose_path(is_organization)
    if options.billing_month and options.charge_month:
        raise click.UsageError("--billing-month and --charge-month mean the same invoice: give one of them.")
    if is_adhoc or not options.can_land:
        with open_api(target) as api:
            adhoc.print_report(api, make_report_params(options), path)
        return 0
    land_reports = land_invoice if options.source == "invoice" else land_estimates
    return land_reports(target, options, path)


@cli.command("sync", epilog=SETTINGS_HELP)
@when_option("--since", help="First UTC day to check.  [default: see above]")
@organization_option(help="Land the events of every team, and the reports of all teams.")
@add_api_options
def sync_command(target: Target, since: When | None, is_organization: bool) -> int:
    """Land everything that is missing or may have changed. Run it every day.

    \b
    Days (UTC) of billing events, of serverless usage and of estimates, up to the current one:
      missing    never landed
      open       not over at the last fetch, or fetched by a clock that was ahead
      unsettled  last fetched less than three days after the end of the day: events arrive late
    \b
    Snapshots, once per UTC day: keys, models, pricing, balance, and for an organization teams.
    \b
    Invoices, by billing month, which contains the charges of the month before:
      missing    never landed, from the month after that of --since up to the current one
      open       not over at the last fetch
      always     the current one and the one before it, since they may be issued again

    Estimates are those of months that no invoice closes, since only they contain Compute before the invoice.
    If one request shows that they contain no more than billing events, none lands.

    Without --since it starts at the first landed day, or in an empty landing zone on the first day of the
    month before last. A feed that the account may not use gets one line, which is not a failure.

    \b
    Examples:
      python -m loaders sync
      python -m loaders sync --since 2025-06-01
      python -m loaders sync --organization
    """
    account, now = target.account, clock.utc_now()
    with open_api(target) as api, open_zone(target) as zone:
        first = choose_first_day(zone, account, since, now.date())
        teams = find_teams(api, zone, account) if is_organization else Teams()
        plan = sync.make_plan(zone, account, first, now, teams.all)
        print_result(f"{account} since {first}: {plan}")
        size = billing_events.DEFAULT_PAGE_SIZE
        outcome = land_events(api, zone, list(plan.events), teams, size, target.concurrency)
        land_feed(api, sync.make_usage_jobs(api, zone, account, plan.usage), target.concurrency, outcome)
        sync.land_snapshots(api, zone, account, plan.snapshots, target.concurrency, outcome)
        sync.land_reports(api, zone, account, plan, target.concurrency, outcome, is_organization)
        return report_outcome(outcome, zone)


@cli.command("prune")
@click.option(
    "--keep",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Loads to keep of each day or month.",
)
@account_filter_option
@landing_dir_option(help="The landing folder.")
def prune_command(keep: int, account: str | None, landing_dir: str) -> int:
    """Remove superseded loads. It needs no key, and may run beside loaders and builds.

    The latest load of each day or month always stays. Loads that were superseded less than six hours ago
    stay, since a running build may still read them. Loads also stay if all loads after them are broken: if
    their manifest cannot be read or a page is missing. The first load of an invoice stays, because it has the
    time at which the month was closed.

    \b
    Examples:
      python -m loaders prune
      python -m loaders prune --keep 3 --account acme

    \b
    Exit codes: 0 done, 1 something could not be removed, 2 the command was used wrongly.
    """
    zone = find_zone(landing_dir, account)
    result = zone.prune(keep, account)
    removed = format_count(len(result.removed), "superseded load")
    partitions = format_count(len({load.parent for load in result.removed}), "partition")
    hours = READ_FOR // timedelta(hours=1)
    left = f"left {result.left:,} that were superseded within the last {hours} hours"
    needed = f", and {result.needed:,} whose later loads are broken; see verify" if result.needed else ""
    print_result(
        f"removed {removed} of {partitions}, kept {keep} of each and the first of an invoice, {left}{needed}"
    )
    return 0


@cli.command("verify")
@account_filter_option
@landing_dir_option(help="The landing folder.")
def verify_command(account: str | None, landing_dir: str) -> int:
    """Check what has landed, and print the commands that repair it. It needs no key, and changes nothing.

    It reads all loads, including superseded ones. Each file must exist, match the manifest (sha256, bytes,
    rows), and be JSON or CSV, and the manifest must match the folder. It also finds missing days between the
    first and the last of an account's events, of those of a team, of its serverless usage or of its
    estimates of open months, and folders that no model reads. It cannot find a missing invoice, since a month
    may have none; sync requests it. A snapshot of a past day cannot be fetched again.

    Standard error has a line for each finding. Standard output has the commands that land broken or missing
    data again.

    \b
    Examples:
      python -m loaders verify
      python -m loaders verify --account acme

    \b
    Exit codes: 0 no findings, 1 findings, 2 the command was used wrongly.
    """
    zone = find_zone(landing_dir, account)
    loads, findings = verify.inspect(zone.folder, account)
    if account is not None and not loads and not findings:
        what_to_do = "check --account and FAL_LANDING_DIR"
        raise LoaderError(f"account {account} has no loads in {zone.folder}; {what_to_do}")
    for load in track(loads, "verifying"):
        findings += verify.check(zone.folder, load)
    report_findings(zone.folder, len(loads), findings)
    return FAILED if findings else 0


# ------------------------------------------------------------------------------------------------ steps


@contextmanager
def open_api(target: Target) -> Iterator[FalApi]:
    """Connect to the API with the settings of this run."""
    with FalApi(settings.read_api_settings(target.api_url)) as api:
        yield api


@contextmanager
def open_zone(target: Target) -> Iterator[LandingZone]:
    """Open the landing zone to land an account."""
    settings.check_account(target.account)
    zone = LandingZone(settings.check_landing_dir(target.landing_dir))
    with zone.open_account(target.account):
        yield zone


def find_zone(landing_dir: str, account: str | None) -> LandingZone:
    """Return an existing landing zone, and print which loads a command uses."""
    if account is not None:
        settings.check_account(account)
    zone = LandingZone(settings.check_landing_dir(landing_dir))
    if not zone.exists():
        raise LoaderError(f"the landing folder {zone.folder} does not exist; check FAL_LANDING_DIR")
    owners = f"account {account}" if account else "all accounts, regardless of FAL_ACCOUNT"
    print_result(f"loads in {zone.folder} of {owners}:")
    return zone


def list_whole_days(start: When | None, end: When | None) -> list[date]:
    """Return the UTC days of a window. Raises a usage error for a window that cannot land."""
    if start is None or end is None:
        raise click.UsageError(
            "--start and --end are needed: the first UTC day, and the day after the last one."
        )
    first, last = require_day("--start", start), require_day("--end", end)
    today = clock.utc_now().date()
    if first >= last:
        raise click.UsageError(f"--end {last} is not after --start {first}: the end is exclusive.")
    if last > today + timedelta(days=1):
        raise click.UsageError(
            f"--end {last} is in the future: the last day to land is today, {today} (UTC)."
        )
    return clock.list_days(first, last)


def require_day(option: str, when: When) -> date:
    """Return the day of an option. Raises a usage error for a time of day."""
    if when.day is None:
        raise click.UsageError(f"{option} {when.text}: only whole UTC days can land: write it as YYYY-MM-DD.")
    return when.day


def choose_first_day(zone: LandingZone, account: str, since: When | None, today: date) -> date:
    """Return the first day of a sync. Raises an error for a future day."""
    if since:
        first = require_day("--since", since)
        if first > today:
            raise click.UsageError(f"--since {first} is in the future: today is {today} (UTC).")
        return first
    landed = [
        day
        for team in (None, *zone.list_teams(account))
        for day in zone.list_values("billing_events", account, team)
    ]
    first = sync.choose_since(landed, today)
    if first > today:
        raise LoaderError(
            f"the first landed day, {first}, is in the future: today is {today} (UTC); "
            "check the clock of this machine"
        )
    return first


def make_report_params(options: ReportOptions) -> dict[str, str]:
    """Return the parameters of an ad hoc report, as the user gave them."""
    bound = options.bound_to_timeframe
    values = asdict(options) | {
        "start": options.start and options.start.text,
        "end": options.end and options.end.text,
        "bound_to_timeframe": None if bound is None else str(bound).lower(),
    }
    return {name: value for name, value in values.items() if value is not None}


def land_invoice(target: Target, options: ReportOptions, path: str) -> int:
    """Land the invoice of a month."""
    refuse_options(options, "start", "end", "timezone", "timeframe", "bound_to_timeframe")
    if options.charge_month:
        month = clock.format_month(clock.parse_month(options.charge_month), 1)
    else:
        month = options.billing_month or clock.format_month(clock.utc_now().date())
    with open_api(target) as api, open_zone(target) as zone:
        job = partial(focus_reports.land_invoice, api, zone, target.account, month, path)
        return report_outcome(land(api, [job], 1), zone)


def land_estimates(target: Target, options: ReportOptions, path: str) -> int:
    """Land the estimates of some days."""
    refuse_options(options, "billing_month", "charge_month")
    days = list_whole_days(options.start, options.end)
    timeframe, bound = options.timeframe or "day", options.bound_to_timeframe
    with open_api(target) as api, open_zone(target) as zone:
        jobs = [
            partial(focus_reports.land_estimate, api, zone, target.account, day, timeframe, bound, path)
            for day in days
        ]
        return report_outcome(land(api, jobs, target.concurrency), zone)


def refuse_options(options: ReportOptions, *names: str) -> None:
    """Raise a usage error if one of these options, which belong to the other source, was given."""
    for name in names:
        if getattr(options, name) is not None:
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} does not go with --source {options.source}.")


def report_outcome(outcome: Outcome, zone: LandingZone) -> int:
    """Print what has landed and what failed; return the exit code."""
    if outcome.landed or not outcome.failed:
        print_result(f"{summarize(outcome.landed)} in {zone.folder}")
    for line in sorted(str(error) for error in outcome.failed):
        print_status(f"error: {line}")
    return FAILED if outcome.failed else 0


def report_findings(landing_dir: Path, loads: int, findings: Sequence[verify.Finding]) -> None:
    """Print the findings, and the commands that load again."""
    for finding in sorted(findings, key=str):
        print_status(f"error: {finding}")
    no_findings = "all is well" if loads else "nothing has landed"
    verdict = format_count(len(findings), "finding") if findings else no_findings
    print_result(f"checked {format_count(loads, 'load')}: {verdict}")
    if commands := verify.list_commands(landing_dir, findings):
        print_result("to load again, with the key of each account:")
    for command in commands:
        print_result(f"  {command}")


# ------------------------------------------------------------------------------------------------ entry


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code. Each expected error is one line on standard error."""
    arguments = list(sys.argv[1:] if args is None else args)
    try:
        settings.restrict_files()
        code: int | None = cli.main(arguments or ["--help"], prog_name=PROGRAM, standalone_mode=False)
        return code or 0
    except click.exceptions.Abort:
        print_status("error: interrupted; what has landed stays, run it again to go on")
        return INTERRUPTED
    except click.ClickException as error:
        print_status(f"error: {' '.join(error.format_message().split())}")
        return MISUSED
    except LoaderError as error:
        print_status(f"error: {error}")
        return FAILED
    except OSError as error:  # errors of the landing folder and the network are LoaderErrors
        print_status(f"error: cannot write to standard output: {error.strerror}")
        return FAILED
