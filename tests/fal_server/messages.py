"""HTTP requests and answers of the local fal, and cursors."""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from tests.fal_server.events import plain


@dataclass(frozen=True)
class Request:
    """A request; `params` maps each name to all its values."""

    path: str
    params: dict[str, list[str]]
    headers: dict[str, str] = field(repr=False)

    def one(self, name: str) -> str | None:
        """Return the last value of a parameter, or None."""
        return self.params[name][-1] if self.params.get(name) else None

    def many(self, name: str) -> list[str]:
        """Return all values of a parameter that can be repeated or separated by commas."""
        return [value for text in self.params.get(name, []) for value in text.split(",") if value]


@dataclass(frozen=True)
class Answer:
    """An answer before it is written."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def error_answer(status: int, kind: str, message: str) -> Answer:
    """Make an error in fal's format."""
    error = {"type": kind, "message": message, "docs_url": "https://fal.ai/docs", "request_id": "req-1"}
    return Answer(status, json.dumps({"error": error}).encode())


def to_json(value: object) -> str:
    """Write JSON with decimals as numbers, digit by digit."""
    if isinstance(value, Decimal):
        return plain(value)
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{to_json(inner)}" for name, inner in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(to_json, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def page_answer(content: Mapping[str, object], cursor: str | None, *, news: bool) -> Answer:
    """Make a page. news: whether it has a field that no document has."""
    more = {"request_cost": {"units": 1}} if news else {}
    page = {"next_cursor": cursor, "has_more": cursor is not None, **more, **content}
    return Answer(200, to_json(page).encode())


def write_cursor(page: int, limit: int, **more: int) -> str:
    """Write the cursor of a page, counted from 0. Its other fields are not read."""
    return base64.urlsafe_b64encode(json.dumps({"page": page, "limit": limit, **more}).encode()).decode()


def read_cursor(cursor: str) -> tuple[int, int]:
    """Read page and limit from a cursor. Raises ValueError."""
    try:
        inside = json.loads(base64.urlsafe_b64decode(cursor))
        return int(inside["page"]), int(inside["limit"])
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError(cursor) from error
