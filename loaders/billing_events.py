"""Billing events: landing a UTC day of an account, or of a team of an organization."""

from contextlib import suppress
from datetime import date, datetime, timedelta

from loaders import clock
from loaders.api import FalApi, Request
from loaders.errors import BrokenFileError, RejectedError
from loaders.landing import LandingZone, Load, Manifest, Partition, read_manifest
from loaders.pages import Listing
from loaders.walk import walk

EVENTS = Listing("/models/billing-events", "billing_events")
ORGANIZATION_EVENTS = Listing("/organization/billing-events", "billing_events")
DEFAULT_PAGE_SIZE = 10_000
LARGEST_ORGANIZATION_PAGE = 100
LONGEST_WINDOW = timedelta(days=90)  # the limit of the API for a request
EXPANSIONS = "auth_method,auth_method_structured"
BASIC_EXPANSIONS = "auth_method"  # where fal refuses the others


def locate_day(account: str, day: date, team: str | None = None) -> Partition:
    """Return the partition of one UTC day."""
    return Partition("billing_events", account, day.isoformat(), team)


def land_day(
    api: FalApi,
    zone: LandingZone,
    account: str,
    day: date,
    page_size: int,
    team: str | None = None,
    *,
    is_removed: bool = False,
) -> Manifest:
    """Fetch all events of one UTC day and land them as a new load.

    team: only those of this team. is_removed: fal no longer lists the team; an empty day then raises a
    RejectedError if events of the day have landed, since a load without events would supersede them.
    """
    partition = locate_day(account, day, team)
    start, end = partition.window
    listing, limit = choose_listing(team is not None, page_size)
    request = {
        "start": clock.format_seconds(start),
        "end": clock.format_seconds(end),
        "limit": limit,
        "expand": BASIC_EXPANSIONS if EXPANSIONS in api.refused else EXPANSIONS,
    }
    with zone.start_load(partition, request | ({"team_username": team} if team else {})) as load:
        agreed = _walk(api, listing, load)
        if is_removed and not any(page.rows for page in load.pages) and _has_events(zone, partition):
            what = "fal lists neither the team nor its events; those that have landed stay"
            raise RejectedError(f"{Request(listing.path, load.walk.request)}: {what}")
        return load.publish(agreed=agreed)


def choose_listing(is_organization: bool, page_size: int) -> tuple[Listing, int]:
    """Return the events of an account or of an organization, and the most rows of a page."""
    if is_organization:
        return ORGANIZATION_EVENTS, min(page_size, LARGEST_ORGANIZATION_PAGE)
    return EVENTS, page_size


def split_window(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Split a window into windows of at most LONGEST_WINDOW, newest first, the order of the API's events."""
    pieces = []
    while start < end:
        pieces.append((max(start, end - LONGEST_WINDOW), end))
        end -= LONGEST_WINDOW
    return pieces


def _has_events(zone: LandingZone, partition: Partition) -> bool:
    load = zone.find_latest(partition)
    with suppress(BrokenFileError):  # verify reports it
        return load is not None and read_manifest(load, Manifest).rows > 0
    return False


def _walk(api: FalApi, listing: Listing, load: Load) -> bool | None:
    """Fetch the pages of a day, with fewer expansions if fal refuses some of them with 400.

    All later days of the run are then fetched with fewer expansions at once.
    """
    try:
        return walk(api, listing, load)
    except RejectedError as error:
        is_first_page = not load.pages
        has_expansions = load.walk.request["expand"] == EXPANSIONS
        if type(error) is not RejectedError or not (is_first_page and has_expansions):
            raise
    load.restart(request={**load.walk.request, "expand": BASIC_EXPANSIONS})
    agreed = walk(api, listing, load)
    api.refused.add(EXPANSIONS)
    return agreed
