"""The exceptions of the loaders. Each message is one line: what happened and what to do."""


class LoaderError(Exception):
    """Base of all expected errors; the command line prints the message and exits with 1."""


class SettingsError(LoaderError):
    """A setting is missing or invalid."""


class LandingError(LoaderError):
    """The landing folder cannot be read or written, so other loads would fail as well."""


class BrokenFileError(LandingError):
    """A file in the landing folder is missing, or differs from what was written."""


class LockedError(LandingError):
    """Another process lands loads of the same account."""


class ApiError(LoaderError):
    """A request failed."""


class RejectedError(ApiError):
    """fal rejected the request with 400, or with another 4xx that a retry would not change."""


class UnauthorizedError(RejectedError):
    """401 or 403: the key is wrong, or lacks the permission."""


class MisdirectedError(RejectedError):
    """A redirect or an invalid address: the settings do not lead to the API."""


class NotFoundError(RejectedError):
    """404: the resource does not exist, or not yet."""


class SkippedError(ApiError):
    """fal refuses a feed that this account may lack; the other feeds go on."""

    def __init__(self, feed: str, reason: str) -> None:
        super().__init__(f"skipped {feed}: {reason}")
        self.feed = feed


class DelayedError(SkippedError):
    """fal requests a longer wait for a feed than a run waits; the other feeds go on, and the run fails."""


class UnreachableError(ApiError):
    """All attempts to connect to the API failed, or its certificate is not trusted."""


class PostponedError(ApiError):
    """fal requests a longer wait than a run waits."""


class TooLargeError(ApiError):
    """The body is larger than the limit; it is discarded."""


class EndlessError(ApiError):
    """fal sends more pages than the setting allows, or many pages without a new event."""


class GaveUpError(ApiError):
    """All attempts failed with errors that a retry could have solved."""
