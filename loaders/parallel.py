"""Runs several loads at once, on threads that share one client."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from loaders.api import FalApi
from loaders.errors import (
    DelayedError,
    LandingError,
    LoaderError,
    MisdirectedError,
    NotFoundError,
    PostponedError,
    RejectedError,
    SkippedError,
    UnauthorizedError,
    UnreachableError,
)
from loaders.landing import Manifest
from loaders.progress import Reporter, format_count, open_reporter, print_status

# errors that would end the other loads in the same way
FATAL = (
    LandingError,
    UnauthorizedError,
    NotFoundError,
    MisdirectedError,
    UnreachableError,
    PostponedError,
)
# errors of a call that an account may lack
REFUSALS = (UnauthorizedError, NotFoundError)


Job = Callable[[], Manifest]


@dataclass
class Outcome:
    """The results of several loads, in the order in which they ended."""

    landed: list[Manifest] = field(default_factory=list)
    failed: list[LoaderError] = field(default_factory=list)


def land(api: FalApi, jobs: Sequence[Job], concurrency: int) -> Outcome:
    """Run the jobs, and report their progress."""
    with open_reporter(len(jobs)) as reporter:
        return land_all(api, jobs, concurrency, reporter)


def land_optional(api: FalApi, jobs: Sequence[Job], concurrency: int, outcome: Outcome) -> bool:
    """Run jobs of make_optional, and add their results to the outcome. Return whether fal refuses none.

    The refusals of a feed are one line, and not a failure. A feed that fal delays is one failure.
    """
    result = land(api, jobs, concurrency)
    outcome.landed += result.landed
    outcome.failed += [error for error in result.failed if not isinstance(error, SkippedError)]
    skipped = [error for error in result.failed if isinstance(error, SkippedError)]
    for feed in dict.fromkeys(error.feed for error in skipped):
        report_skipped([error for error in skipped if error.feed == feed], outcome)
    return not skipped


def report_skipped(errors: Sequence[SkippedError], outcome: Outcome) -> None:
    """Print one line for the errors of a feed, or add one failure to the outcome if fal delays the feed."""
    line, *others = sorted(str(error) for error in errors)
    if others:
        line += f" (and so are {format_count(len(others), 'other load')})"
    if any(isinstance(error, DelayedError) for error in errors):
        outcome.failed.append(LoaderError(line))
    else:
        print_status(line)


def land_feed(api: FalApi, jobs: Sequence[Job], concurrency: int, outcome: Outcome) -> None:
    """Run jobs of make_optional for one feed. The first runs alone: a refusal is one request and one line."""
    if land_optional(api, jobs[:1], 1, outcome):
        land_optional(api, jobs[1:], concurrency, outcome)


def make_optional(
    api: FalApi, feed: str, job: Job, refusals: tuple[type[RejectedError], ...] = REFUSALS
) -> Job:
    """Return a job of an optional feed; see allow_refusal."""
    return partial(_run_optional, api, feed, job, refusals)


@contextmanager
def allow_refusal(
    api: FalApi, feed: str, refusals: tuple[type[RejectedError], ...] = REFUSALS
) -> Iterator[None]:
    """Convert a refusal of a feed to SkippedError and a long wait to DelayedError: other feeds go on.

    After a long wait was requested, the feed fails at once, without another request.
    """
    if feed in api.delayed:
        raise DelayedError(feed, api.delayed[feed])
    try:
        yield
    except MisdirectedError:
        raise
    except refusals as error:
        raise SkippedError(feed, str(error)) from None
    except PostponedError as error:
        api.delayed[feed] = str(error)
        raise DelayedError(feed, str(error)) from None


def land_all(api: FalApi, jobs: Iterable[Job], concurrency: int, reporter: Reporter) -> Outcome:
    """Run the jobs, a few at a time. A failed job stops the others only by a FATAL error, which is raised.

    A KeyboardInterrupt is raised as well. No load is ever published in part.
    """
    outcome = Outcome()
    pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="load")
    try:
        for future in as_completed([pool.submit(_run, job, api) for job in jobs]):
            try:
                manifest = future.result()
            except FATAL:
                raise
            except LoaderError as error:
                outcome.failed.append(error)
            else:
                outcome.landed.append(manifest)
                reporter.report(manifest)
    except BaseException:
        api.stopping.set()
        # does not wait for a silent server; the threads write only to hidden work folders
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return outcome


def _run_optional(api: FalApi, feed: str, job: Job, refusals: tuple[type[RejectedError], ...]) -> Manifest:
    with allow_refusal(api, feed, refusals):
        return job()


def _run(job: Job, api: FalApi) -> Manifest:
    """Run a job; a FATAL error prevents further requests of all jobs."""
    try:
        return job()
    except FATAL:
        api.stopping.set()
        raise
