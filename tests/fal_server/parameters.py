"""Parameters of requests: lists, numbers, times, windows and pages. Wrong ones raise an `ApiError`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from zoneinfo import ZoneInfo

from tests.fal_server.messages import Answer, Request, error_answer, read_cursor, write_cursor
from tests.fal_server.reports import TIMEFRAMES, bucket, bucket_end, default_timeframe

LONGEST_WINDOW = timedelta(days=90)
MOST_IDS = 50

Row = TypeVar("Row")


class ApiError(Exception):
    """An error response in fal's format."""

    def __init__(self, status: int, type_: str, message: str) -> None:
        super().__init__(message)
        self.status, self.type, self.message = status, type_, message

    def answer(self) -> Answer:
        """Make the response."""
        return error_answer(self.status, self.type, self.message)


@dataclass(frozen=True)
class Buckets:
    """A window in buckets of a timeframe in a time zone."""

    start: datetime
    end: datetime
    timeframe: str
    timezone: str
    bound: bool

    @property
    def zone(self) -> ZoneInfo:
        """The time zone."""
        return ZoneInfo(self.timezone)

    @property
    def span(self) -> tuple[datetime, datetime]:
        """The window: moved out to whole timeframes if bound."""
        if not self.bound:
            return self.start, self.end
        start, _ = bucket(self.start, self.timeframe, self.zone)
        return start, bucket_end(self.end, self.timeframe, self.zone)

    def place(self, moment: datetime) -> tuple[datetime, datetime]:
        """Return the bucket of a moment inside the window, clipped to the window."""
        start, end = self.span
        low, high = bucket(moment, self.timeframe, self.zone)
        return max(low, start), min(high, end)

    def all(self) -> list[tuple[datetime, datetime]]:
        """Every bucket, oldest first."""
        moment, end = self.span
        found = []
        while moment < end:
            found.append(self.place(moment))
            moment = found[-1][1]
        return found

    def label(self, start: datetime) -> str:
        """Write the start of a bucket in its time zone."""
        return start.astimezone(self.zone).isoformat().replace("+00:00", "Z")


def invalid(message: str) -> ApiError:
    """Make the error for a wrong parameter."""
    return ApiError(400, "validation_error", message)


def read_expansions(request: Request, known: set[str]) -> set[str]:
    """Read `expand`."""
    return read_choices(request, "expand", known)


def read_choices(request: Request, name: str, known: Collection[str]) -> set[str]:
    """Read a list of known values."""
    values = set(request.many(name))
    if unknown := sorted(values - set(known)):
        raise invalid(f"{name}: unknown value {unknown[0]!r}")
    return values


def read_ids(request: Request, name: str, *, required: bool = False) -> set[str]:
    """Read a list of 1 to 50 values; an absent parameter is an empty set unless it is required."""
    values = request.many(name)
    if len(values) > MOST_IDS or (not values and (required or name in request.params)):
        raise invalid(f"{name}: give 1 to {MOST_IDS} values")
    return set(values)


def read_flag(request: Request, name: str) -> bool:
    """Read "true" (the default) or "false"."""
    text = request.one(name) or "true"
    if text not in ("true", "false"):
        raise invalid(f"{name}: must be 'true' or 'false'")
    return text == "true"


def read_window(request: Request, now: datetime) -> tuple[datetime, datetime]:
    """Read start and end; by default, the last 24 hours."""
    end = _moment(request.one("end"), now, "end")
    start = _moment(request.one("start"), end - timedelta(hours=24), "start")
    if start >= end:
        raise invalid("start must be before end")
    if end - start > LONGEST_WINDOW:
        raise invalid("The time range must not be longer than 90 days")
    return start, end


def read_buckets(request: Request, now: datetime) -> Buckets:
    """Read the window, timeframe, timezone and bound_to_timeframe."""
    start, end = read_window(request, now)
    timeframe = request.one("timeframe") or default_timeframe(start, end)
    if timeframe not in TIMEFRAMES:
        raise invalid(f"timeframe: must be one of {', '.join(TIMEFRAMES)}")
    timezone = request.one("timezone") or "UTC"
    try:
        ZoneInfo(timezone)
    except (ValueError, OSError, KeyError):
        raise invalid(f"timezone: unknown: {timezone}") from None
    return Buckets(start, end, timeframe, timezone, read_flag(request, "bound_to_timeframe"))


def take_page(
    request: Request, rows: Sequence[Row], cap: int, shift: int = 0
) -> tuple[Sequence[Row], str | None]:
    """Return the rows of the requested page and the next cursor.

    cap: maximum rows of a page. shift: new rows shift the list while it is read, so pages overlap by as many.
    """
    limit = min(_positive(request.one("limit"), cap, "limit"), cap)
    page = 0
    if cursor := request.one("cursor"):
        try:
            page, limit = read_cursor(cursor)
        except ValueError:
            raise invalid("cursor: not one of ours") from None
    first = page * (limit - min(shift, limit - 1))
    has_more = first + limit < len(rows)
    return rows[first : first + limit], write_cursor(page + 1, limit) if has_more else None


def _positive(text: str | None, default: int, name: str) -> int:
    if text is None:
        return default
    if not text.isdecimal() or int(text) < 1:
        raise invalid(f"{name}: must be a whole number of at least 1")
    return int(text)


def _moment(text: str | None, default: datetime, name: str) -> datetime:
    if text is None:
        return default
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise invalid(f"{name}: must be an ISO 8601 date or date-time") from None
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)
