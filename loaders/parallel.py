"""Several loads at once, on threads that share one client."""

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

# After one of these the other loads would end the same way.
HOPELESS = (
    LandingError,
    UnauthorizedError,
    NotFoundError,
    MisdirectedError,
    UnreachableError,
    PostponedError,
)


@dataclass
class Outcome:
    """What became of a number of loads; failures in no particular order."""

    landed: list[Manifest] = field(default_factory=list)
    failed: list[LoaderError] = field(default_factory=list)


def land_all(
    api: FalApi, jobs: Iterable[Callable[[], Manifest]], concurrency: int, reporter: Reporter
) -> Outcome:
    """Run the jobs, a few at a time. One that fails does not stop the others, unless they would fail too.

    Raises what made it stop: one of HOPELESS, or KeyboardInterrupt. No load is ever half published, whenever
    it stops.
    """
    outcome = Outcome()
    pool = ThreadPoolExecutor(max_workers=concurrency, thread_name_prefix="load")
    try:
        for future in as_completed([pool.submit(job) for job in jobs]):
            try:
                manifest = future.result()
            except HOPELESS:
                raise
            except LoaderError as error:
                outcome.failed.append(error)
            else:
                outcome.landed.append(manifest)
                reporter.landed(manifest)
    except BaseException:
        api.stopping.set()
        # Nobody waits for a server that is silent; what the threads hold is in hidden work folders.
        pool.shutdown(wait=False, cancel_futures=True)
        raise
    pool.shutdown()
    return outcome
