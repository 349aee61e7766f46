"""What can go wrong: every message is one line that says what happened and what to do."""


class LoaderError(Exception):
    """Root of all errors a user can cause or meet; the command line prints the message and exits with 1."""


class SettingsError(LoaderError):
    """A setting is missing or cannot be used."""


class LandingError(LoaderError):
    """The landing folder cannot be read or written; no other day would fare better."""


class BrokenFileError(LandingError):
    """A file in the landing folder is not what was written, or is missing."""


class LockedError(LandingError):
    """Another process lands loads of the same account."""


class ApiError(LoaderError):
    """A request did not bring what was asked for."""


class RejectedError(ApiError):
    """fal understood the request and refuses it: 400, or another 4xx that a retry would not change."""


class UnauthorizedError(RejectedError):
    """401 or 403: the key is wrong, or may not read this."""


class MisdirectedError(RejectedError):
    """A redirect, or an address that is none: the settings do not lead to the API."""


class NotFoundError(RejectedError):
    """404: there is no such thing (yet)."""


class UnreachableError(ApiError):
    """No connection to the API could be made, however often it was tried, or none that can be trusted."""


class PostponedError(ApiError):
    """fal asks to come back much later."""


class TooLargeError(ApiError):
    """The body is larger than any answer should be; nothing of it was kept."""


class EndlessError(ApiError):
    """fal keeps sending pages: more than the setting allows, or pages without a new event."""


class GaveUpError(ApiError):
    """The request failed in a way that could pass, and kept failing."""
