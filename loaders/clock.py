"""The clock, and how times are written. All times are UTC."""

from datetime import UTC, date, datetime, time, timedelta


def utc_now() -> datetime:
    """The time now. The only place that asks, so that a test can say what time it is."""
    return datetime.now(UTC)


def midnight(day: date) -> datetime:
    """The instant a UTC day begins."""
    return datetime.combine(day, time(), UTC)


def seconds_text(moment: datetime) -> str:
    """2026-01-05T00:00:00Z"""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micros_text(moment: datetime) -> str:
    """2026-01-05T00:00:00.000000Z"""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def days_between(start: date, end: date) -> list[date]:
    """Every day from start until before end."""
    return [start + timedelta(days=number) for number in range((end - start).days)]


def month_start(month: str, plus: int = 0) -> date:
    """The first day of a YYYY-MM, moved by some months. ValueError when it is no month or out of range."""
    first = datetime.strptime(month, "%Y-%m").date()
    number = first.year * 12 + first.month - 1 + plus
    return date(number // 12, number % 12 + 1, 1)


def month_of(day: date, plus: int = 0) -> str:
    """The YYYY-MM of a day, moved by some months."""
    return month_text(month_start(month_text(day), plus))


def month_text(day: date) -> str:
    """YYYY-MM, with four digits for the year whatever the platform."""
    return day.isoformat()[:7]
