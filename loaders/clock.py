"""The clock, and the formats of times. All times are UTC."""

from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby


def utc_now() -> datetime:
    """Return the current time. All code calls this function, so that a test can replace it."""
    return datetime.now(UTC)


def to_midnight(day: date) -> datetime:
    """Return the start of a UTC day."""
    return datetime.combine(day, time(), UTC)


def format_seconds(moment: datetime) -> str:
    """Format a time like 2026-01-05T00:00:00Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def format_micros(moment: datetime) -> str:
    """Format a time like 2026-01-05T00:00:00.000000Z."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def list_days(start: date, end: date) -> list[date]:
    """Return the days from start until before end."""
    return [start + timedelta(days=number) for number in range((end - start).days)]


def split_runs(days: Iterable[date]) -> Iterator[list[date]]:
    """Split days, which are in order, into runs of consecutive days."""
    for _, run in groupby(enumerate(days), key=lambda numbered: numbered[1].toordinal() - numbered[0]):
        yield [day for _, day in run]


def parse_month(month: str, plus: int = 0) -> date:
    """Return the first day of a YYYY-MM, moved by some months. Raises ValueError."""
    first = datetime.strptime(month, "%Y-%m").date()
    number = first.year * 12 + first.month - 1 + plus
    return date(number // 12, number % 12 + 1, 1)


def format_month(day: date, plus: int = 0) -> str:
    """Return the YYYY-MM of a day, moved by some months."""
    first = parse_month(day.isoformat()[:7], plus)  # strftime omits leading zeros of years on some platforms
    return first.isoformat()[:7]
