"""What can go wrong: errors of the command line, and errors that a client is answered."""

import msgspec
from starlette.responses import Response

MESSAGES = {
    "not_found": "there is nothing at this address",
    "unauthorized": "a token is needed: send it as Authorization: Bearer <token>, or as X-API-Key",
    "internal_error": "the server failed at this request; its log says why",
}


class ServingError(Exception):
    """Root of all errors that whoever runs the server can cause; a message of one line, exit code 1."""


class SettingsError(ServingError):
    """A setting is missing or cannot be used; exit code 2."""


class ApiError(Exception):
    """What a client is answered in place of what it asked for: an Error of the document."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str | None = None,
        details: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status, self.code = status, code
        self.message, self.details = message or MESSAGES[code], details
        self.headers = headers or {}
        super().__init__(self.message)

    def body(self) -> bytes:
        """The Error as JSON; without details where there are none."""
        error = {"code": self.code, "message": self.message}
        return msgspec.json.encode(error | ({"details": self.details} if self.details else {}))

    def response(self) -> Response:
        """The answer."""
        return Response(self.body(), self.status, self.headers, "application/json")


def invalid_parameter(message: str) -> ApiError:
    """A 400 about what was asked; the message says what is allowed."""
    return ApiError(400, "invalid_parameter", message)
