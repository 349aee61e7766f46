"""Errors of the command line, and errors that the server sends to a client."""

import msgspec
from starlette.responses import Response

MESSAGES = {
    "not_found": "this address does not exist",
    "unauthorized": "a token is needed: send it as Authorization: Bearer <token>, or as X-API-Key",
    "internal_error": "the server failed to answer this request; the server's log has the cause",
}


LARGEST_BODY = 65_536  # bytes of a request


class ServingError(Exception):
    """Root of all errors that the operator of the server can cause. One line; exit code 1."""


class SettingsError(ServingError):
    """A setting is missing or invalid. Exit code 2."""


class ApiError(Exception):
    """An error response: an Error of the OpenAPI document."""

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

    def encode(self) -> bytes:
        """Return the Error as JSON, without details if it has none."""
        error = {"code": self.code, "message": self.message}
        return msgspec.json.encode(error | ({"details": self.details} if self.details else {}))

    def build_response(self) -> Response:
        """Return the HTTP response."""
        return Response(self.encode(), self.status, self.headers, "application/json")


def invalid_parameter(message: str) -> ApiError:
    """A 400 for an invalid parameter. The message names the allowed values."""
    return ApiError(400, "invalid_parameter", message)


def body_too_large() -> ApiError:
    """A 413 for the body of a request. The rest of the body is not read: the connection is closed."""
    message = f"a body may have {LARGEST_BODY} bytes"
    return ApiError(413, "body_too_large", message, headers={"Connection": "close"})
