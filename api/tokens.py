"""Who may ask: tokens, of which only the SHA-256 is kept."""

import fcntl
import hmac
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Annotated

import msgspec

from api.errors import ServingError, SettingsError
from loaders.files import sync_folder

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


class Caller(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """One token: its name, its SHA-256 in hexadecimal, and what it is limited to; None is every account.

    standard_fields: it gets the fields of FOCUS's document alone.
    """

    name: str
    sha256: Annotated[str, msgspec.Meta(pattern="^[0-9a-f]{64}$")]
    billing_accounts: frozenset[str] | None = None
    standard_fields: bool = False

    @property
    def owner(self) -> str:
        """Whose an export is: this token's, as long as it may see what it may see now."""
        seen = None if self.billing_accounts is None else sorted(self.billing_accounts)
        return f"{self.owners}{sha256(msgspec.json.encode(seen)).hexdigest()}"

    @property
    def owners(self) -> str:
        """What the owners of all exports of this token begin with, whatever it could see at the time."""
        return f"{sha256(self.sha256.encode()).hexdigest()}."


@dataclass
class Tokens:
    """The tokens of a file, read again when it changes, or those of a variable."""

    file: Path
    json: str = ""
    _read: tuple[object, list[Caller]] = field(default=(None, []), init=False, repr=False)

    def find(self, token: str) -> Caller | None:
        """Who sent this token. ServingError if the tokens cannot be read: then nobody may."""
        digest = sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        found = None
        for caller in self.callers():  # all of them: how long it takes tells nothing
            if hmac.compare_digest(caller.sha256, digest):
                found = caller
        return found

    def callers(self) -> list[Caller]:
        """Everybody who may ask; nobody where there is no file yet. ServingError, SettingsError."""
        if self.json:
            return decoded(self.json.encode(), "FOCUS_API_TOKENS")
        try:
            status = self.file.stat()
            state = (status.st_ino, status.st_size, status.st_mtime_ns)
            if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
                raise ServingError(f"{self.file} can be written by others: chmod 600 {self.file}")
            if self._read[0] != state:
                self._read = (state, decoded(self.file.read_bytes(), str(self.file)))
        except FileNotFoundError:
            return []
        except OSError as error:
            raise ServingError(f"{self.file} cannot be read: {error.strerror}") from None
        return self._read[1]

    def create(self, name: str, billing_accounts: frozenset[str], standard_fields: bool = False) -> str:
        """Make a token and write its SHA-256 into the file; the token itself, which is kept nowhere.

        billing_accounts: what it is limited to; none of them is every account. standard_fields: as of Caller.
        ServingError.
        """
        if self.json:
            raise SettingsError("FOCUS_API_TOKENS is set, and is read in place of a file: unset it first")
        if not NAME.fullmatch(name):
            raise SettingsError(
                f"a token cannot be called {name!r}: use letters, digits, '_', '-' and '.', "
                "begin with a letter or digit, at most 63 of them"
            )
        token = secrets.token_urlsafe(32)
        caller = Caller(name, sha256(token.encode()).hexdigest(), billing_accounts or None, standard_fields)
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with alone_in(self.file.parent):
                callers = self.callers()
                if any(other.name == name for other in callers):
                    raise ServingError(f"{self.file} has a token called {name} already: choose another name")
                write_private(self.file, encoded([*callers, caller]))
        except OSError as error:
            raise ServingError(f"{self.file} cannot be written: {error.strerror}") from None
        return token

    def revoke(self, name: str) -> Caller:
        """Remove a token of this name from the file, and return what it was. ServingError."""
        if self.json:
            raise SettingsError("FOCUS_API_TOKENS is set, and is read in place of a file: unset it first")
        try:
            with alone_in(self.file.parent):
                callers = self.callers()
                revoked = [caller for caller in callers if caller.name == name]
                if not revoked:
                    raise ServingError(f"{self.file} has no token called {name}")
                write_private(self.file, encoded([caller for caller in callers if caller.name != name]))
        except OSError as error:
            raise ServingError(f"{self.file} cannot be written: {error.strerror}") from None
        return revoked[0]


def decoded(content: bytes, source: str) -> list[Caller]:
    """Tokens from JSON; an empty text is none. ServingError, also if two have one name or one hash."""
    try:
        callers = msgspec.json.decode(content, type=list[Caller]) if content.strip() else []
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ServingError(f"{source} holds no tokens: {error}") from None
    if len({caller.name for caller in callers}) < len(callers):
        raise ServingError(f"{source} holds no tokens: two have one name")
    if len({caller.sha256 for caller in callers}) < len(callers):
        raise ServingError(f"{source} holds no tokens: two names have one sha256")
    return callers


def encoded(callers: list[Caller]) -> bytes:
    """Tokens as JSON, one a line."""
    return b"[\n" + b",\n".join(msgspec.json.encode(caller, order="sorted") for caller in callers) + b"\n]\n"


def write_private(file: Path, content: bytes) -> None:
    """Put a file in place of another in one step, for its owner alone (0600)."""
    number, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")  # made with 0600
    try:
        with os.fdopen(number, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        Path(name).replace(file)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    sync_folder(file.parent)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Wait for, and then hold, a folder against other processes that do the same."""
    number = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(number, fcntl.LOCK_EX)
        yield
    finally:
        os.close(number)
