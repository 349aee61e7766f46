"""Retries of a request: which errors are retried, how often, and after which pause."""

import random
import re
import threading
from email.utils import parsedate_to_datetime
from functools import partial

import httpx
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    stop_after_attempt,
    stop_any,
    stop_when_event_set,
    wait_exponential_jitter,
)
from tenacity.nap import sleep_using_event

from loaders import clock

ATTEMPTS = 6
LONGEST_RETRY_AFTER = 600.0  # seconds; a run that must wait longer ends


class TransientError(Exception):
    """A failure that a retry may solve. retry_after: the seconds to wait that the server requests."""

    def __init__(self, what: str, retry_after: float | None = None, *, unreachable: bool = False) -> None:
        super().__init__(what)
        self.retry_after = retry_after
        self.unreachable = unreachable


def make_retrying(longest: float, stopping: threading.Event) -> Retrying:
    """Return the loop of attempts for one request.

    longest: the limit of a pause in seconds. stopping: once set, ends a pause and prevents further attempts.
    """
    return Retrying(
        retry=retry_if_exception_type(TransientError),
        wait=partial(choose_pause, longest),
        stop=stop_any(stop_after_attempt(ATTEMPTS), stop_when_event_set(stopping)),
        sleep=sleep_using_event(stopping),
        reraise=True,
    )


def choose_pause(longest: float, state: RetryCallState) -> float:
    """Return the seconds until the next attempt: what the server requests, else 1, 2, 4 ... up to longest.

    A random part is added, so that threads do not retry all at once.
    """
    error = state.outcome.exception() if state.outcome else None
    if isinstance(error, TransientError) and error.retry_after is not None:
        return error.retry_after + random.uniform(0, min(1, longest))
    return wait_exponential_jitter(initial=1, max=longest, jitter=1)(state)


def read_retry_after(response: httpx.Response) -> float | None:
    """Return the seconds of the Retry-After header, which is a number or an HTTP date; None without it."""
    text: str = response.headers.get("Retry-After", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    if moment.tzinfo is None:
        return None
    return max(0.0, (moment - clock.utc_now()).total_seconds())
