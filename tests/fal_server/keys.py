"""Keys of an account, and what changes in its events when a key is renamed or deleted, or a price changes."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from tests.fal_server.catalogue import METER_OF, NEW_PRICES
from tests.fal_server.events import LABELS, ODD_LABELS, Event, make_id, reprice
from tests.fal_server.switches import Switches

RENAMED, NEW_NAME = "Key 1", "imaging key"
DELETED, SUCCESSOR = "Key 2", "prod key"
ADMIN = "admin key"


@dataclass(frozen=True)
class Key:
    """A key as /keys lists it."""

    key_id: str
    alias: str
    scope: str
    created_at: datetime
    creator: str


def list_keys(switches: Switches, *, odd: bool, first: datetime, is_changed: bool) -> list[Key]:
    """List the keys of an account. is_changed: whether keys have been renamed and deleted already."""
    labels = [*(label for label in LABELS if label), *(ODD_LABELS if odd else ()), ADMIN]
    if switches.deleted_key and is_changed:
        labels.remove(DELETED)
    return [
        Key(
            make_id(label),
            NEW_NAME if switches.renamed_key and is_changed and label == RENAMED else label,
            "ADMIN" if label == ADMIN else "API",
            first - timedelta(days=100 - number),
            "ada" if number % 2 == 0 else "grace",
        )
        for number, label in enumerate(labels)
    ]


def change_event(event: Event, switches: Switches, changed_at: datetime) -> Event:
    """Apply the changes of a world to an event at or after `changed_at`. A second time changes nothing."""
    if event.at < changed_at:
        return event
    if switches.renamed_key and event.auth_method == RENAMED:
        event = replace(event, auth_method=NEW_NAME, key_id=event.api_key_id)
    if switches.deleted_key and event.auth_method == DELETED:
        key_id = _id_in_team(event.username, SUCCESSOR) if event.key_id else None
        event = replace(event, auth_method=SUCCESSOR, key_id=key_id)
    meter, price = METER_OF.get(event.endpoint_id), NEW_PRICES.get(event.endpoint_id)
    is_list_price = meter is not None and event.unit_price == meter.unit_price
    if switches.price_changes and price and is_list_price and event.output_units is not None:
        event = reprice(event, price)
    return event


def move_to_team(event: Event, username: str, *, is_root: bool) -> Event:
    """Make an event one of a team. Every team but the root has its own keys."""
    if event.username:
        return event
    has_own_key = event.auth_method is not None and not is_root
    key_id = _id_in_team(username, event.auth_method) if has_own_key else event.key_id
    return replace(event, username=username, key_id=key_id)


def _id_in_team(username: str | None, label: str | None) -> str:
    return make_id(f"{username}|{label}")
