"""Page tokens: the position of a walk through pages, encrypted and authenticated.

Record numbers show how many rows other accounts have between a caller's own, so a client cannot read a token.
A token has no time limit: it is valid while publications.py keeps its publication and the key stays.
"""

import base64
import hmac
from hashlib import sha256
from pathlib import Path

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from api.errors import ApiError
from loaders.files import replace_file

NUMBER_WIDTH = 20  # characters of the longest record number


class Position(msgspec.Struct, frozen=True, array_like=True):
    """The position of a walk: a publication, the last record number, and values of the first page.

    query: hash of the request and its caller. The next page is only for the same request of the same caller.
    """

    publication_id: str
    query: str
    last: int
    total: int
    last_updated: str | None = None
    is_complete: bool = False


def hash_query(*parts: object) -> str:
    """Return a hash of a request and its caller: texts, numbers, None, and lists and mappings of them."""
    return sha256(msgspec.json.encode(parts, order="deterministic")).hexdigest()


def seal(position: Position, key: Fernet) -> str:
    """Return a position as an opaque page token. Its length does not depend on the record number."""
    padding = b" " * (NUMBER_WIDTH - len(str(position.last)))
    return key.encrypt(msgspec.json.encode(position) + padding).decode().rstrip("=")


def unseal(token: str, query: str, key: Fernet) -> Position:
    """Return the position in a page token. Raises ApiError if it is forged or belongs to another query."""
    try:
        padded = token.encode("ascii") + b"=" * (-len(token) % 4)
        # Fernet ignores characters outside its alphabet and unused bits: a token has one spelling here
        if base64.urlsafe_b64encode(base64.urlsafe_b64decode(padded)) != padded or token.endswith("="):
            raise InvalidToken
        position = msgspec.json.decode(key.decrypt(padded), type=Position)
    except (
        ValueError,
        InvalidToken,
        msgspec.MsgspecError,
    ):  # UnicodeError and binascii.Error are ValueErrors
        raise invalid_page_token("pageToken was not issued by this server: begin again without it") from None
    if not hmac.compare_digest(position.query, query):
        raise invalid_page_token(
            "pageToken belongs to another query: send it with the parameters and the token of the page that "
            "returned it (pageSize may differ), or begin again without it"
        )
    return position


def invalid_page_token(message: str) -> ApiError:
    """A 400 for a page token."""
    return ApiError(400, "invalid_page_token", message)


def load_key(file: Path) -> Fernet:
    """Read the key of page tokens. Create it if the file does not contain one. Raises OSError."""
    try:
        return Fernet(file.read_bytes())
    except (FileNotFoundError, ValueError):
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file, Fernet.generate_key(), mode=0o600)
        return Fernet(file.read_bytes())
