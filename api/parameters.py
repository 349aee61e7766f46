"""What a client may ask: query parameters as values, or an ApiError that says what is allowed."""

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl

from api.errors import invalid_parameter

LONGEST_QUERY = 8192  # bytes
PAGE_SIZES = range(1, 10_001)
DEFAULT_PAGE_SIZE = 1000
CHARGE_CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
# RFC 3339, section 5.6, and zones without a colon, as strftime's %z writes them
DATE_TIME = re.compile(
    r"([0-9]{4})(-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:)([0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)

Parser = Callable[[str, str], object]


def parsed(query: bytes, parsers: Mapping[str, Parser]) -> dict[str, object]:
    """The parameters of a query string, each made into a value by its parser. ApiError."""
    if len(query) > LONGEST_QUERY:
        raise invalid_parameter(f"the parameters are longer than {LONGEST_QUERY} bytes")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:  # UnicodeError is one
        raise invalid_parameter("the parameters are not UTF-8, percent-encoded") from None
    values: dict[str, object] = {}
    for name, value in pairs:
        if name not in parsers:
            allowed = f"there are {', '.join(parsers)}" if parsers else "there are none"
            raise invalid_parameter(f"there is no parameter {name!r} here: {allowed}")
        if name in values:
            raise invalid_parameter(f"{name} is there twice: send it once")
        values[name] = parsers[name](name, value)
    return values


def of_list(filters: Iterable[str]) -> dict[str, Parser]:
    """The parsers of an operation that lists records, which has these filters."""
    return {name: FILTERS.get(name, text) for name in filters} | {
        "pageSize": page_size,
        "pageToken": text,
        "columns": names,
    }


def text(name: str, value: str) -> str:
    """Any text."""
    return value


def page_size(name: str, value: str) -> int:
    """How many records a page has."""
    if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or int(value) not in PAGE_SIZES:
        raise invalid_parameter(f"{name} must be a whole number from {PAGE_SIZES[0]} to {PAGE_SIZES[-1]}")
    return int(value)


def charge_category(name: str, value: str) -> str:
    """One of FOCUS's charge categories."""
    if value not in CHARGE_CATEGORIES:
        raise invalid_parameter(f"{name} must be one of {', '.join(CHARGE_CATEGORIES)}")
    return value


def names(name: str, value: str) -> tuple[str, ...]:
    """Names of columns, with commas between them."""
    return tuple(value.split(","))


def date_time(name: str, value: str) -> datetime:
    """A time by RFC 3339, in UTC. One between two microseconds becomes the later, one beyond the years 1 to
    9999 the nearest: no time in a mart is on the other side of it."""
    match = DATE_TIME.fullmatch(value)
    try:
        if not match:
            raise ValueError
        year, day, clock, second, fraction, zone = match.groups()
        leaps = second == "60"
        minute = datetime.fromisoformat(
            f"{'0004' if year == '0000' else year}{day}T{clock}{'59' if leaps else second}{zone.upper()}"
        )
    except ValueError:
        plus = " ('+' must be written %2B in an address)" if " " in value else ""
        raise invalid_parameter(
            f"{name} must be a date-time by RFC 3339 with its zone, such as 2026-01-01T00:00:00Z{plus}"
        ) from None
    digits = (fraction or "").ljust(6, "0")
    microseconds = int(digits[:6]) + bool(digits[6:].strip("0"))
    try:
        if year == "0000":
            raise OverflowError
        return minute.astimezone(UTC) + timedelta(seconds=leaps, microseconds=microseconds)
    except OverflowError:
        return (datetime.max if year == "9999" else datetime.min).replace(tzinfo=UTC)


FILTERS: dict[str, Parser] = {
    "billingPeriodStart": date_time,
    "billingPeriodEnd": date_time,
    "chargeCategory": charge_category,
}
