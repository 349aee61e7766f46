"""Faults the local fal can be told to make, one per request, in the order they were given."""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.fal_server.server import Request

HTML = b"<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"

Kind = Literal["answer", "cut", "reset", "stall", "malformed"]


@dataclass
class Fault:
    """What happens to the next `times` requests that `when` says yes to (all, by default).

    kind "answer" gives status, headers and body instead of the true answer; "malformed" ends the true body
    half way, with a Content-Length that fits; "cut" promises the whole body and closes after half of it;
    "reset" resets the connection; "stall" says nothing for `seconds`, then closes. The class methods are the
    usual ones.
    """

    kind: Kind
    times: int = 1
    when: Callable[["Request"], bool] | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    seconds: float = 0.0

    @classmethod
    def answer(
        cls, status: int, body: bytes = b"", headers: dict[str, str] | None = None, **more: object
    ) -> "Fault":
        """Any answer at all."""
        return cls("answer", status=status, body=body, headers=headers or {}, **more)  # type: ignore[arg-type]

    @classmethod
    def error(cls, status: int, type_: str, message: str, **more: object) -> "Fault":
        """An error as fal writes it."""
        error = {"type": type_, "message": message, "docs_url": None, "request_id": "req-0"}
        body = json.dumps({"error": error}).encode()
        headers = {"Content-Type": "application/json"}
        return cls("answer", status=status, body=body, headers=headers, **more)  # type: ignore[arg-type]

    @classmethod
    def rate_limited(cls, retry_after: str | None = "0", **more: object) -> "Fault":
        """429, with a Retry-After in seconds or as an HTTP date, or without one."""
        fault = cls.error(429, "rate_limited", "Too many requests", **more)
        if retry_after is not None:
            fault.headers["Retry-After"] = retry_after
        return fault

    @classmethod
    def server_error(cls, **more: object) -> "Fault":
        """500 as fal writes it."""
        return cls.error(500, "server_error", "Something went wrong", **more)

    @classmethod
    def bad_gateway(cls, status: int = 502, **more: object) -> "Fault":
        """HTML from a proxy in front, with 502 or any other status, even 200."""
        return cls("answer", status=status, body=HTML, headers={"Content-Type": "text/html"}, **more)  # type: ignore[arg-type]

    @classmethod
    def unauthorized(cls, **more: object) -> "Fault":
        """401 as fal writes it."""
        return cls.error(401, "authorization_error", "Invalid key", **more)

    @classmethod
    def cut(cls, **more: object) -> "Fault":
        """The connection ends in the middle of the body."""
        return cls("cut", **more)  # type: ignore[arg-type]

    @classmethod
    def malformed(cls, **more: object) -> "Fault":
        """A whole answer whose body is half a document."""
        return cls("malformed", **more)  # type: ignore[arg-type]

    @classmethod
    def reset(cls, **more: object) -> "Fault":
        """The connection is reset before anything is said."""
        return cls("reset", **more)  # type: ignore[arg-type]

    @classmethod
    def stall(cls, seconds: float = 120.0, **more: object) -> "Fault":
        """Nothing is said for a while, by default longer than the loaders wait."""
        return cls("stall", seconds=seconds, **more)  # type: ignore[arg-type]


class Script(list[Fault]):
    """The faults still to come; a list, so that a test appends to it."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = threading.Lock()

    def take(self, request: "Request") -> Fault | None:
        """The first fault meant for this request, used up by one."""
        with self._lock:
            for fault in self:
                if fault.when is None or fault.when(request):
                    fault.times -= 1
                    if fault.times <= 0:
                        self.remove(fault)
                    return fault
        return None
