"""Runs several loads at once, on threads that share one client."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field

from loaders.api import FalApi
from loaders.errors import (
    LandingError,
    LoaderError,
    MisdirectedError,
    NotFoundError,
    PostponedError,
    UnauthorizedError,
    UnreachableError,
)
from loaders.landing import Manifest
from loaders.progress import Reporter

# errors that would end the other loads in the same way
FATAL = (
    LandingError,
    UnauthorizedError,
    NotFoundError,
    MisdirectedError,
    UnreachableError,
    PostponedError,
)


@dataclass
class Outcome:
    """The results of several loads, in the order in which they ended."""

    landed: list[Manifest] = field(default_factory=list)
    failed: list[LoaderError] = field(default_factory=list)


def land_all(
    api: FalApi, jobs: Iterable[Callable[[], Manifest]], concurrency: int, reporter: Reporter
) -> Outcome:
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


def _run(job: Callable[[], Manifest], api: FalApi) -> Manifest:
    """Run a job; a FATAL error prevents further requests of all jobs."""
    try:
        return job()
    except FATAL:
        api.stopping.set()
        raise
