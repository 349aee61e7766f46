"""Query parameters, parsed and checked. The message of an ApiError names the allowed values."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from api.errors import invalid_parameter

LONGEST_QUERY = 8192  # bytes
PAGE_SIZES = range(1, 10_001)
DEFAULT_PAGE_SIZE = 1000
CHARGE_CATEGORIES = ("Usage", "Purchase", "Tax", "Credit", "Adjustment")
FOCUS_VERSIONS = ("1.3", "1.4")
# RFC 3339, section 5.6, and zones without a colon, as written by %z of strftime
DATE_TIME = re.compile(
    r"([0-9]{4})(-[0-9]{2}-[0-9]{2})[Tt]([0-9]{2}:[0-9]{2}:)([0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:?[0-9]{2})"
)

Parser = Callable[[str, str], Any]


@dataclass(frozen=True)
class ListParameters:
    """The parameters of an operation that lists records. filters: their values by name."""

    filters: Mapping[str, Any]
    page_size: int
    page_token: str | None
    columns: tuple[str, ...] | None


def parse_list_parameters(query: bytes, filters: Iterable[str]) -> ListParameters:
    """Parse the parameters of an operation that lists records and has these filters. Raises ApiError."""
    filters = tuple(filters)
    parsers = {name: FILTERS.get(name, parse_text) for name in filters} | PAGING
    values = parse_query(query, parsers)
    return ListParameters(
        {name: value for name, value in values.items() if name in filters},
        values.get("pageSize", DEFAULT_PAGE_SIZE),
        values.get("pageToken"),
        values.get("columns"),
    )


def parse_schema_version(query: bytes) -> str:
    """Return the FOCUS version of a request for the schema. Raises ApiError."""
    version: str = parse_query(query, {"focusVersion": parse_focus_version}).get("focusVersion", "1.3")
    return version


def check_no_parameters(query: bytes) -> None:
    """Raise ApiError if a query string has parameters."""
    parse_query(query, {})


def parse_query(query: bytes, parsers: Mapping[str, Parser]) -> dict[str, Any]:
    """Return the parameters of a query string, each parsed by its parser. Raises ApiError."""
    if len(query) > LONGEST_QUERY:
        raise invalid_parameter(f"the parameters are longer than {LONGEST_QUERY} bytes")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:  # UnicodeError is one
        raise invalid_parameter("the parameters are not UTF-8, percent-encoded") from None
    values: dict[str, Any] = {}
    for name, value in pairs:
        if name not in parsers:
            allowed = f"use {', '.join(parsers)}" if parsers else "this operation has no parameters"
            raise invalid_parameter(f"unknown parameter {name!r}: {allowed}")
        if name in values:
            raise invalid_parameter(f"{name} is repeated: send it once")
        values[name] = parsers[name](name, value)
    return values


def parse_text(name: str, value: str) -> str:
    """Accept any text."""
    return value


def parse_page_size(name: str, value: str) -> int:
    """Parse the number of records of a page."""
    if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or int(value) not in PAGE_SIZES:
        raise invalid_parameter(f"{name} must be a whole number from {PAGE_SIZES[0]} to {PAGE_SIZES[-1]}")
    return int(value)


def parse_charge_category(name: str, value: str) -> str:
    """Accept one of FOCUS's charge categories."""
    if value not in CHARGE_CATEGORIES:
        raise invalid_parameter(f"{name} must be one of {', '.join(CHARGE_CATEGORIES)}")
    return value


def parse_focus_version(name: str, value: str) -> str:
    """Accept one of the FOCUS versions of the marts."""
    if value not in FOCUS_VERSIONS:
        raise invalid_parameter(f"{name} must be one of {', '.join(FOCUS_VERSIONS)}")
    return value


def parse_columns(name: str, value: str) -> tuple[str, ...]:
    """Parse names of columns with commas between them."""
    return tuple(value.split(","))


def parse_date_time(name: str, value: str) -> datetime:
    """Parse a time by RFC 3339. Return it in UTC.

    A time between two microseconds becomes the later one. A time outside the years 1 to 9999 becomes the
    nearest one. Neither changes which times of a mart are before it.
    """
    match = DATE_TIME.fullmatch(value)
    try:
        if not match:
            raise ValueError
        year, day, clock, second, fraction, zone = match.groups()
        is_leap = second == "60"
        # datetime has neither the year 0, which is a leap year as 4 is, nor leap seconds
        minute = datetime.fromisoformat(
            f"{'0004' if year == '0000' else year}{day}T{clock}{'59' if is_leap else second}{zone.upper()}"
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
        return minute.astimezone(UTC) + timedelta(seconds=is_leap, microseconds=microseconds)
    except OverflowError:
        return (datetime.max if year == "9999" else datetime.min).replace(tzinfo=UTC)


FILTERS: dict[str, Parser] = {
    "billingPeriodStart": parse_date_time,
    "billingPeriodEnd": parse_date_time,
    "chargeCategory": parse_charge_category,
}
PAGING: dict[str, Parser] = {
    "pageSize": parse_page_size,
    "pageToken": parse_text,
    "columns": parse_columns,
}
