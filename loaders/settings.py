"""Settings: from a flag or else the environment; the key from the environment, or a file that it names."""

import ipaddress
import os
import re
import stat
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from loaders.errors import SettingsError
from loaders.files import restrict_new_files

DEFAULT_API_URL = "https://api.fal.ai/v1"
DEFAULT_ACCOUNT = "default"
DEFAULT_LANDING_DIR = "landing"
DEFAULT_CONCURRENCY = 4
DEFAULT_TIMEOUT = 60.0
DEFAULT_RETRY_MAX_WAIT = 60.0
DEFAULT_MAX_PAGES = 20_000
MOST_PAGES = 99_999  # the name of a page's file has five digits
A_DAY = 86_400.0  # seconds
LONGEST_KEY = 4096  # bytes of a key file

# An account becomes the name of a folder: no separators, nothing hidden.
ACCOUNT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True)
class Connection:
    """How to reach the API. timeout: seconds a connection may stay silent; retry_max_wait: longest pause.

    max_pages: how many pages of one window are followed.
    """

    api_url: str
    key: str = field(repr=False)
    timeout: float = DEFAULT_TIMEOUT
    retry_max_wait: float = DEFAULT_RETRY_MAX_WAIT
    max_pages: int = DEFAULT_MAX_PAGES


def restrict_files() -> None:
    """Restrict new files as FAL_FILE_MODE says. SettingsError if it has another value than there is."""
    try:
        restrict_new_files()
    except ValueError as error:
        raise SettingsError(str(error)) from None


def connection(api_url: str) -> Connection:
    """The connection settings, with the key and the rarely needed ones from the environment."""
    return Connection(
        api_url=_checked_url(api_url),
        key=_key(),
        timeout=_seconds("FAL_TIMEOUT", DEFAULT_TIMEOUT),
        retry_max_wait=_seconds("FAL_RETRY_MAX_WAIT", DEFAULT_RETRY_MAX_WAIT),
        max_pages=_max_pages(),
    )


def checked_account(account: str) -> str:
    """The account alias, if it can be a folder name. SettingsError otherwise."""
    if not ACCOUNT.fullmatch(account):
        raise SettingsError(
            f"account {account!r} cannot name a folder: use letters, digits, '_', '-' and '.', "
            "begin with a letter or digit, at most 63 of them"
        )
    return account


def checked_landing_dir(landing_dir: str) -> Path:
    """The landing folder; it need not exist yet."""
    if not landing_dir:
        raise SettingsError("FAL_LANDING_DIR is empty: name the folder to land in, or unset it")
    return Path(landing_dir)


def _checked_url(api_url: str) -> str:
    if not _usable_url(api_url):
        raise SettingsError(
            f"FAL_API_URL must look like {DEFAULT_API_URL}, without user, password or parameters"
        )
    if urlsplit(api_url).scheme != "https" and not _is_loopback(api_url):
        raise SettingsError("FAL_API_URL must begin with https: plain http would show the key to the network")
    return api_url.rstrip("/")


def _is_loopback(api_url: str) -> bool:
    """Whether a URL leads to this machine: localhost, 127.0.0.0/8 or [::1]."""
    host = urlsplit(api_url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _usable_url(api_url: str) -> bool:
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", api_url, re.IGNORECASE):
        return False
    try:
        url = httpx.URL(api_url)
        url.raw_host.decode().encode("idna")  # as the socket will write it
        return bool(url.host) and urlsplit(api_url).port != 0
    except (httpx.InvalidURL, ValueError):  # a name that cannot be one, a port that is too high
        return False


def _key() -> str:
    name, file = "FAL_KEY", os.environ.get("FAL_KEY_FILE", "")
    key = os.environ.get(name, "").strip()
    if key and file:
        raise SettingsError("FAL_KEY and FAL_KEY_FILE are both set, and may be of two accounts: unset one")
    if file:
        name = f"FAL_KEY_FILE {file!r}"
        key = _private_text(Path(file), name).strip()
        if not key:
            raise SettingsError(f"{name} is empty: put an admin key of your fal account into it")
    if not key:
        raise SettingsError(
            "FAL_KEY is not set: put an admin key of your fal account into the environment, "
            "or into a file of your own that FAL_KEY_FILE names"
        )
    # Said here, since what an HTTP library says about an illegal header quotes it.
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise SettingsError(
            f"{name} has a space, a line break or a character beyond ASCII inside: no fal key has"
        )
    return key


def _private_text(file: Path, name: str) -> str:
    """What a small file says that only its owner can open. What is asked is asked of the opened file."""
    try:
        with open(file, "rb", opener=_without_waiting) as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SettingsError(f"{name} is no regular file")
            if status.st_mode & 0o077:
                raise SettingsError(
                    f"{name} is open to others (mode {status.st_mode & 0o777:04o}): chmod 600 it"
                )
            content = opened.read(LONGEST_KEY + 1)
    except (OSError, ValueError) as error:  # a name with a NUL is a ValueError
        what = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{name} cannot be read: {what}") from None
    if len(content) > LONGEST_KEY:
        raise SettingsError(f"{name} holds more than {LONGEST_KEY} bytes: that is no key")
    return content.decode("latin-1")  # what is not ASCII is told as such


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # a pipe has nobody at its other end


def _seconds(name: str, default: float) -> float:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    seconds = float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else 0.0
    if not 0 < seconds <= A_DAY:
        raise SettingsError(f"{name} must be a number of seconds, above 0 and at most a day, not {text!r}")
    return seconds


def _max_pages() -> int:
    text = os.environ.get("FAL_MAX_PAGES", "").strip() or str(DEFAULT_MAX_PAGES)
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) == 0:
        raise SettingsError(f"FAL_MAX_PAGES must be a number from 1 to {MOST_PAGES}, not {text!r}")
    return int(text)
