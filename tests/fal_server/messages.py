"""What goes over HTTP: a request as it came in, an answer before it is written, a cursor."""

import base64
import binascii
import json
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Request:
    """A request as it came in; `params` maps each name to all its values."""

    path: str
    params: dict[str, list[str]]
    headers: dict[str, str] = field(repr=False)

    def one(self, name: str) -> str | None:
        """The last value of a parameter, or None."""
        return self.params[name][-1] if self.params.get(name) else None

    def many(self, name: str) -> list[str]:
        """All values of a parameter that may be repeated or separated by commas."""
        return [value for text in self.params.get(name, []) for value in text.split(",") if value]


@dataclass(frozen=True)
class Answer:
    """What goes back."""

    status: int
    body: bytes
    content_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def error_answer(status: int, kind: str, message: str) -> Answer:
    """An error as fal writes it."""
    error = {"type": kind, "message": message, "docs_url": "https://fal.ai/docs", "request_id": "req-1"}
    return Answer(status, json.dumps({"error": error}).encode())


def write_cursor(page: int, limit: int, **more: int) -> str:
    """The cursor of a page, counted from 0; what more it says is not read."""
    return base64.urlsafe_b64encode(json.dumps({"page": page, "limit": limit, **more}).encode()).decode()


def read_cursor(cursor: str) -> tuple[int, int]:
    """Page and limit. ValueError when it is no cursor."""
    try:
        inside = json.loads(base64.urlsafe_b64decode(cursor))
        return int(inside["page"]), int(inside["limit"])
    except (KeyError, TypeError, binascii.Error) as error:
        raise ValueError(cursor) from error
