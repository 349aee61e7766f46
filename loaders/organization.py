"""Teams of an organization, and landing the events of all teams, or of an account."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial

from loaders import billing_events, catalogue
from loaders.api import FalApi
from loaders.errors import ApiError, LoaderError, RejectedError
from loaders.landing import LandingZone, Partition
from loaders.parallel import Job, Outcome, land, land_feed, make_optional
from loaders.settings import FOLDER_NAME


@dataclass(frozen=True)
class Teams:
    """The teams whose events land; a single None for an account that is not an organization.

    removed: those that have landed before, but that fal no longer lists. unnamed: usernames that cannot name
    a folder.
    """

    listed: tuple[str | None, ...] = (None,)
    removed: tuple[str, ...] = ()
    unnamed: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str | None, ...]:
        """The teams to fetch."""
        return *self.listed, *self.removed


def find_teams(api: FalApi, zone: LandingZone, account: str) -> Teams:
    """Return the teams that fal lists, and those that have landed before. Raises ApiError without any."""
    usernames, landed = catalogue.list_teams(api), zone.list_teams(account)
    if not usernames and not landed:
        what_to_do = "run it without --organization and FAL_ORGANIZATION to land those of the account"
        raise ApiError(f"GET {catalogue.TEAMS.path}: fal lists no team to land events of; {what_to_do}")
    listed = [username for username in usernames if FOLDER_NAME.fullmatch(username)]
    return Teams(
        tuple(listed),
        tuple(team for team in landed if team not in listed),
        tuple(username for username in usernames if username not in listed),
    )


def land_events(
    api: FalApi,
    zone: LandingZone,
    partitions: Sequence[Partition],
    teams: Teams,
    page_size: int,
    concurrency: int,
) -> Outcome:
    """Land days of billing events, of several teams at once. A removed team without answers is a line."""

    def make_job(partition: Partition) -> Job:
        day = date.fromisoformat(partition.value)
        account, team = partition.account, partition.source
        land_day = partial(billing_events.land_day, is_removed=team in teams.removed)
        return partial(land_day, api, zone, account, day, page_size, team)

    jobs = [make_job(partition) for partition in partitions if partition.source not in teams.removed]
    outcome = land(api, jobs, concurrency)
    for team in teams.removed:
        jobs = [
            make_optional(api, f"team {team}", make_job(partition), (RejectedError,))
            for partition in partitions
            if partition.source == team
        ]
        land_feed(api, jobs, concurrency, outcome)
    for username in teams.unnamed:
        what = "use letters, digits, '_', '-' and '.'; its events have not landed"
        outcome.failed.append(LoaderError(f"team {username!r} cannot name a folder: {what}"))
    return outcome
