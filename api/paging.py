"""Page tokens: where a walk through pages is, sealed so that nobody can change it."""

import base64
import hmac
import secrets
from hashlib import sha256, shake_256
from pathlib import Path

import msgspec

from api.errors import ApiError
from api.tokens import write_private

SEAL = 32  # bytes
NONCE = 16


class Position(msgspec.Struct, frozen=True, array_like=True):
    """Where a walk is: in which publication, behind which record, and what its first page said.

    query: digest of what was asked, and by whom; the next page is for the same alone.
    """

    publication_id: str
    query: str
    last: int
    total: int
    last_updated: str | None = None
    is_complete: bool = False


def digest(*asked: object) -> str:
    """A digest of what was asked and by whom: texts, numbers, None, and lists and mappings of them."""
    return sha256(msgspec.json.encode(asked, order="deterministic")).hexdigest()


def sealed(position: Position, secret: bytes) -> str:
    """A position as an opaque token."""
    nonce = secrets.token_bytes(NONCE)
    content = nonce + veiled(msgspec.json.encode(position), nonce, secret)
    return spelled(seal(content, secret) + content)


def unsealed(token: str, query: str, secret: bytes) -> Position:
    """The position in a token. ApiError if it is none, or belongs to another query."""
    content = decoded(token)
    if not hmac.compare_digest(content[:SEAL], seal(content[SEAL:], secret)):
        raise invalid("pageToken is none that this server gave: begin again without it")
    nonce, veil = content[SEAL : SEAL + NONCE], content[SEAL + NONCE :]
    position = msgspec.json.decode(veiled(veil, nonce, secret), type=Position)
    if not hmac.compare_digest(position.query, query):
        raise invalid(
            "pageToken belongs to another query: send it with the parameters and the token of the page that "
            "gave it (pageSize may differ), or begin again without it"
        )
    return position


def decoded(token: str) -> bytes:
    """What a token spells; nothing if it is spelled in any other way than a token is."""
    try:
        content = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    except ValueError:  # UnicodeError and binascii.Error are
        return b""
    return content if spelled(content) == token else b""


def spelled(content: bytes) -> str:
    """Bytes as a token."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def seal(content: bytes, secret: bytes) -> bytes:
    """What only who knows the secret can make of a content."""
    return hmac.digest(secret, content, "sha256")


def veiled(content: bytes, nonce: bytes, secret: bytes) -> bytes:
    """A content that only who knows the secret can read, or what it was: twice is the same again.

    Record numbers tell how many rows others have between one's own.
    """
    stream = shake_256(b"veil" + secret + nonce).digest(len(content))
    return bytes(one ^ other for one, other in zip(content, stream, strict=True))


def invalid(message: str) -> ApiError:
    """A 400 about a page token."""
    return ApiError(400, "invalid_page_token", message)


def kept_secret(file: Path) -> bytes:
    """The secret in a file of its owner's, which is made if it is not there or not whole. OSError."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if not file.exists() or file.stat().st_size != SEAL:
        write_private(file, secrets.token_bytes(SEAL))
    return file.read_bytes()
