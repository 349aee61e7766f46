"""Access tokens of clients. Only their SHA-256 is stored. Page tokens are in paging.py."""

import hmac
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec

from api.errors import ServingError, SettingsError
from loaders.files import lock, replace_file

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class Caller(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A token: its name, its SHA-256 in hexadecimal, and its limits.

    billing_accounts: the only accounts it can see; None is every account.
    standard_fields: it gets only the fields of FOCUS's document.
    """

    name: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    billing_accounts: frozenset[str] | None = None
    standard_fields: bool = False

    @property
    def owner(self) -> str:
        """The owner of an export: this token with its current billing accounts."""
        accounts = None if self.billing_accounts is None else sorted(self.billing_accounts)
        return f"{self.owner_prefix}{sha256(msgspec.json.encode(accounts)).hexdigest()}"

    @property
    def owner_prefix(self) -> str:
        """The start of all owners of this token, with its current and earlier billing accounts."""
        return f"{sha256(self.sha256.encode()).hexdigest()}."


@dataclass
class Tokens:
    """The tokens of a file, which is read again when it changes, or the tokens of a variable."""

    file: Path
    json: str = ""
    _cache: tuple[object, list[Caller]] = field(default=(None, []), init=False, repr=False)

    def find(self, token: str) -> Caller | None:
        """Return the caller of a token. Raises ServingError if the tokens cannot be read."""
        digest = sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found = None
        for caller in self.read():  # no early exit, so that the time does not depend on the token
            if hmac.compare_digest(caller.sha256, digest):
                found = caller
        return found

    def read(self) -> list[Caller]:
        """Return all callers; a missing file has none. Raises ServingError, SettingsError."""
        if self.json:
            return decode_callers(self.json.encode(), "FOCUS_API_TOKENS")
        try:
            status = self.file.stat()
            version = (status.st_ino, status.st_size, status.st_mtime_ns)
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ServingError(f"{self.file} can be written by others: chmod 600 {self.file}")
            if self._cache[0] != version:
                self._cache = (version, decode_callers(self.file.read_bytes(), str(self.file)))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ServingError(f"{self.file} cannot be read: {error.strerror}") from None
        return self._cache[1]

    def create(self, name: str, billing_accounts: frozenset[str], standard_fields: bool = False) -> str:
        """Create a token, write its SHA-256 into the file, and return the token, which is not stored.

        billing_accounts: its limit; an empty set is every account. standard_fields: see Caller.
        Raises ServingError.
        """
        if not NAME.fullmatch(name):
            raise SettingsError(
                f"a token cannot be called {name!r}: use letters, digits, '_', '-' and '.', "
                "begin with a letter or digit, at most 63 of them"
            )
        token = secrets.token_urlsafe(32)
        caller = Caller(name, sha256(token.encode()).hexdigest(), billing_accounts or None, standard_fields)
        with self.edit() as callers:
            if any(other.name == name for other in callers):
                raise ServingError(f"{self.file} has a token called {name} already: choose another name")
            callers.append(caller)
        return token

    def revoke(self, name: str) -> Caller:
        """Remove a token from the file, and return it. Raises ServingError."""
        with self.edit() as callers:
            revoked = [caller for caller in callers if caller.name == name]
            if not revoked:
                raise ServingError(f"{self.file} has no token called {name}")
            callers.remove(revoked[0])
        return revoked[0]

    @contextmanager
    def edit(self) -> Iterator[list[Caller]]:
        """Yield the callers of the file as a list to change, then write it. Raises ServingError."""
        if self.json:
            raise SettingsError("FOCUS_API_TOKENS is set, and is read in place of a file: unset it first")
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with lock(self.file.parent, wait=True):
                callers = list(self.read())
                yield callers
                replace_file(self.file, encode_callers(callers), mode=0o600)
        except OSError as error:
            raise ServingError(f"{self.file} cannot be written: {error.strerror}") from None


def decode_callers(content: bytes, source: str) -> list[Caller]:
    """Read tokens from JSON. Empty text has none. Raises ServingError, also for a repeated name or hash."""
    try:
        callers = msgspec.json.decode(content, type=list[Caller]) if content.strip() else []
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ServingError(f"{source} does not contain valid tokens: {error}") from None
    if len({caller.name for caller in callers}) < len(callers):
        raise ServingError(f"{source} does not contain valid tokens: two have the same name")
    if len({caller.sha256 for caller in callers}) < len(callers):
        raise ServingError(f"{source} does not contain valid tokens: two names have the same sha256")
    return callers


def encode_callers(callers: list[Caller]) -> bytes:
    """Return tokens as JSON, one a line."""
    return b"[\n" + b",\n".join(msgspec.json.encode(caller, order="sorted") for caller in callers) + b"\n]\n"
