"""Catalogue snapshots: keys, models, prices, teams and the balance, as they are on a UTC day."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from loaders import clock
from loaders.api import FalApi
from loaders.billing_events import EVENTS
from loaders.body import MalformedBodyError
from loaders.errors import ApiError, BrokenFileError, MisdirectedError, RejectedError, UnauthorizedError
from loaders.landing import LandingZone, Latest, Manifest, Partition, convert_os_errors, read_manifest
from loaders.pages import UNKNOWN, Listing, accept_page, fetch_pages, parse_page, split_ids
from loaders.progress import format_count, print_status
from loaders.walk import walk
from loaders.work import WALKED_FOR, UtcTime, read_page

TEAMS = Listing("/organization/teams", "teams")
LISTINGS = {
    "keys": Listing("/keys", "keys"),
    "models": Listing("/models", "models"),
    "pricing": Listing("/models/pricing", "prices"),
    "teams": TEAMS,
    "balance": Listing("/account/billing", "credits", is_list=False),
}
EXPANSIONS = {"keys": "creator_info", "balance": "credits"}
BY_ENDPOINT = ("models", "pricing")
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)  # fal was founded in this century
LONGEST_ID = 1000  # bytes, percent-encoded: 50 ids fit into the 64 KB that an address may have
MOST_REFUSED = 100  # endpoints
MOST_SHOWN = 5  # endpoints
UNKNOWN_FOR = timedelta(days=7)  # then fal may list a new endpoint, so it is requested again


class Endpoints(msgspec.Struct):
    """The endpoints of a request. unknown: those that fal refused, with the UTC day, which it leaves out."""

    endpoint_id: list[str]
    unknown: dict[str, date] = {}


class Snapshot(msgspec.Struct):
    """The fields of a manifest that decide which pages are read for endpoints."""

    request: Endpoints
    fetched_at: UtcTime


class Event(msgspec.Struct):
    """The field of an event that contains its endpoint."""

    endpoint_id: msgspec.Raw = msgspec.Raw(b"null")


class Team(msgspec.Struct):
    """The field of a team that contains its name in folders."""

    username: str


EVENT, TEAM = msgspec.json.Decoder(Event), msgspec.json.Decoder(Team)


def locate_snapshot(account: str, kind: str, day: date) -> Partition:
    """Return the partition of the snapshots of one UTC day."""
    return Partition("catalogue", account, day.isoformat(), kind)


def land_snapshot(
    api: FalApi, zone: LandingZone, account: str, kind: str, endpoints: Sequence[str] = ()
) -> Manifest:
    """Fetch a snapshot and land it as a load of today. endpoints: those of models and pricing, at least one.

    If fal refuses a request because of unknown endpoints, the others land. The manifest records the unknown
    ones, and snapshots of the next days leave them out.
    """
    listing, today = LISTINGS[kind], clock.utc_now().date()
    request: dict[str, Any] = {"expand": EXPANSIONS[kind]} if kind in EXPANSIONS else {}
    unknown = dict[str, str]()
    if kind in BY_ENDPOINT:
        unknown = _read_unknown(zone, account, kind, today)
        endpoints = [endpoint for endpoint in endpoints if endpoint not in unknown]
        request = _make_request(endpoints, unknown)
    with zone.start_load(locate_snapshot(account, kind, today), request) as load:
        try:
            walk(api, listing, load)
        except (UnauthorizedError, MisdirectedError):
            raise
        except RejectedError as error:
            known = list_known(api, listing, endpoints)
            if len(known) in (0, len(endpoints)):
                raise error from None
            refused = sorted(set(endpoints) - set(known))
            report_unknown(kind, refused)
            load.restart(request=_make_request(known, unknown | dict.fromkeys(refused, today.isoformat())))
            walk(api, listing, load)
        return load.publish()


def list_known(api: FalApi, listing: Listing, endpoints: Sequence[str]) -> list[str]:
    """Return the endpoints that fal does not refuse, in order; [] if it refuses MOST_REFUSED and no other."""
    known, tried = list[str](), 0
    for ids in split_ids(list(endpoints)):
        known += _bisect(api, listing, ids)
        tried += len(ids)
        if not known and tried >= MOST_REFUSED:
            break
    return known


def report_unknown(kind: str, unknown: Sequence[str]) -> None:
    """Print which endpoints a snapshot lacks."""
    shown = ", ".join(unknown[:MOST_SHOWN]) + (", ..." if len(unknown) > MOST_SHOWN else "")
    print_status(f"{kind}: fal does not know {format_count(len(unknown), 'endpoint')}: {shown}")


def list_teams(api: FalApi) -> list[str]:
    """Return the usernames of all teams of an organization, in order."""
    names = set[str]()
    for page in fetch_pages(api, TEAMS, {}):
        try:
            names |= {TEAM.decode(item).username for item in page.items}
        except msgspec.ValidationError:
            raise ApiError(f"GET {TEAMS.path}: a team has no username") from None
    return sorted(names)


def list_endpoints(zone: LandingZone, account: str) -> list[str]:
    """Return the endpoints of all landed events of an account, in order.

    The manifests of the latest snapshots contain those of the events before them, so only the pages of later
    loads are read. A walk may take WALKED_FOR, so a load that began before a snapshot may have ended after.
    """
    snapshots = [found for kind in BY_ENDPOINT if (found := _read_snapshot(zone, account, kind))]
    requests = [snapshot.request for snapshot in snapshots]
    endpoints = {endpoint for request in requests for endpoint in (*request.endpoint_id, *request.unknown)}
    since = min(max((snapshot.fetched_at for snapshot in snapshots), default=OLDEST), clock.utc_now())
    for team in (None, *zone.list_teams(account)):
        for value in zone.list_values("billing_events", account, team):
            load = zone.find_latest(Partition("billing_events", account, value, team))
            # verify reports broken files
            with convert_os_errors(zone.folder), suppress(BrokenFileError, MalformedBodyError):
                endpoints |= _read_endpoints(load, since) if load else set()
    return sorted(endpoint for endpoint in endpoints if 0 < len(quote(endpoint)) <= LONGEST_ID)


def _bisect(api: FalApi, listing: Listing, ids: list[str]) -> list[str]:
    """Return the ids that fal does not refuse, with more requests for smaller parts of refused ones."""
    try:
        api.get(listing.path, {"endpoint_id": ids}, partial(accept_page, listing=listing, seen=()))
    except (UnauthorizedError, MisdirectedError):
        raise
    except RejectedError:
        middle = len(ids) // 2
        return _bisect(api, listing, ids[:middle]) + _bisect(api, listing, ids[middle:]) if middle else []
    return ids


def _make_request(endpoints: Sequence[str], unknown: Mapping[str, str]) -> dict[str, Any]:
    """Return the request of a snapshot by endpoint. unknown: recorded, but not requested."""
    request: dict[str, Any] = {"endpoint_id": list(endpoints)}
    return request | ({UNKNOWN: dict(unknown)} if unknown else {})


def _read_unknown(zone: LandingZone, account: str, kind: str, today: date) -> dict[str, str]:
    """Return the endpoints that fal refused within UNKNOWN_FOR, with the UTC day, from the last snapshot."""
    snapshot = _read_snapshot(zone, account, kind)
    days = snapshot.request.unknown if snapshot else {}
    return {
        endpoint: day.isoformat()
        for endpoint, day in days.items()
        if timedelta(0) <= today - day < UNKNOWN_FOR
    }


def _read_snapshot(zone: LandingZone, account: str, kind: str) -> Snapshot | None:
    """Return the latest snapshot of an account; None if it never landed, or its manifest is broken."""
    days = zone.list_values("catalogue", account, kind)
    load = zone.find_latest(Partition("catalogue", account, days[-1], kind)) if days else None
    with convert_os_errors(zone.folder), suppress(BrokenFileError):  # verify reports it
        return read_manifest(load, Snapshot) if load else None
    return None


def _read_endpoints(load: Path, since: datetime) -> set[str]:
    """Return the endpoints of the events of a load; none if it is older than the last snapshot."""
    if read_manifest(load, Latest).fetched_at < since - WALKED_FOR:
        return set()
    found = set[bytes]()
    for page in read_manifest(load, Manifest).pages:
        for item in parse_page(EVENTS, read_page(load, page)).items:
            with suppress(msgspec.ValidationError):  # an event that is not an object
                found.add(bytes(EVENT.decode(item).endpoint_id))
    return {endpoint for raw in found if isinstance(endpoint := msgspec.json.decode(raw), str)}
