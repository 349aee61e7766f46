"""Settings from flags and the environment, and the key from the environment or a file."""

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
MOST_PAGES = 99_999  # file names of pages have five digits
MAX_SECONDS = 86_400.0  # a day
MAX_KEY_SIZE = 4096  # bytes of a key file

# an account or a team is the name of a folder: it has no separators, and is not hidden
FOLDER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


@dataclass(frozen=True)
class ApiSettings:
    """How to reach the API.

    timeout: seconds that a connection may stay silent. retry_max_wait: the longest pause between attempts, in
    seconds. max_pages: the limit of pages of one window.
    """

    api_url: str
    key: str = field(repr=False)
    timeout: float = DEFAULT_TIMEOUT
    retry_max_wait: float = DEFAULT_RETRY_MAX_WAIT
    max_pages: int = DEFAULT_MAX_PAGES


def restrict_files() -> None:
    """Restrict the permissions of new files by FAL_FILE_MODE. Raises SettingsError."""
    try:
        restrict_new_files()
    except ValueError as error:
        raise SettingsError(str(error)) from None


def read_api_settings(api_url: str) -> ApiSettings:
    """Return the settings of the API; all except the URL come from the environment. Raises SettingsError."""
    return ApiSettings(
        api_url=_check_url(api_url),
        key=_read_key(),
        timeout=_read_seconds("FAL_TIMEOUT", DEFAULT_TIMEOUT),
        retry_max_wait=_read_seconds("FAL_RETRY_MAX_WAIT", DEFAULT_RETRY_MAX_WAIT),
        max_pages=_read_max_pages(),
    )


def check_account(account: str) -> str:
    """Return an account alias that can be a folder name. Raises SettingsError."""
    if not FOLDER_NAME.fullmatch(account):
        raise SettingsError(
            f"account {account!r} cannot name a folder: use letters, digits, '_', '-' and '.', "
            "begin with a letter or digit, at most 63 of them"
        )
    return account


def check_landing_dir(landing_dir: str) -> Path:
    """Return the landing folder, which need not exist. Raises SettingsError."""
    if not landing_dir:
        raise SettingsError("FAL_LANDING_DIR is empty: name the folder to land in, or unset it")
    return Path(landing_dir)


def _check_url(api_url: str) -> str:
    if not _is_valid_url(api_url):
        raise SettingsError(
            f"FAL_API_URL must look like {DEFAULT_API_URL}, without user, password or parameters"
        )
    if urlsplit(api_url).scheme != "https" and not _is_loopback(api_url):
        raise SettingsError("FAL_API_URL must begin with https: plain http would show the key to the network")
    return api_url.rstrip("/")


def _is_loopback(api_url: str) -> bool:
    """Return whether a URL leads to this machine: localhost, 127.0.0.0/8 or [::1]."""
    host = urlsplit(api_url).hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_valid_url(api_url: str) -> bool:
    if not re.fullmatch(r"https?://[^\s/@?#]+(/[^\s@?#]*)?", api_url, re.IGNORECASE):
        return False
    try:
        url = httpx.URL(api_url)
        url.raw_host.decode().encode("idna")  # as the socket does
        return bool(url.host) and urlsplit(api_url).port != 0
    except (httpx.InvalidURL, ValueError):  # an invalid host name or port
        return False


def _read_key() -> str:
    name, file = "FAL_KEY", os.environ.get("FAL_KEY_FILE", "")
    key = os.environ.get(name, "").strip()
    if key and file:
        raise SettingsError("FAL_KEY and FAL_KEY_FILE are both set, maybe for two accounts: unset one")
    if file:
        name = f"FAL_KEY_FILE {file!r}"
        key = _read_private_text(Path(file), name).strip()
        if not key:
            raise SettingsError(f"{name} is empty: put an admin key of your fal account into it")
    if not key:
        raise SettingsError(
            "FAL_KEY is not set: put an admin key of your fal account into the environment, "
            "or into a file of your own that FAL_KEY_FILE names"
        )
    # checked here, since the error of an HTTP library for an invalid header quotes the key
    if not re.fullmatch(r"[\x21-\x7e]+", key):
        raise SettingsError(
            f"{name} contains a space, a line break or a character beyond ASCII: keys of fal do not"
        )
    return key


def _read_private_text(file: Path, name: str) -> str:
    """Return the text of a small file that only its owner can open. Raises SettingsError with the name.

    The checks use the opened file, since its name could lead to another file by then.
    """
    try:
        with open(file, "rb", opener=_open_nonblocking) as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise SettingsError(f"{name} is not a regular file")
            if status.st_mode & 0o077:
                raise SettingsError(
                    f"{name} is open to others (mode {status.st_mode & 0o777:04o}): chmod 600 it"
                )
            content = opened.read(MAX_KEY_SIZE + 1)
    except (OSError, ValueError) as error:  # a name with a NUL raises ValueError
        what = error.strerror if isinstance(error, OSError) else error
        raise SettingsError(f"{name} cannot be read: {what}") from None
    if len(content) > MAX_KEY_SIZE:
        raise SettingsError(f"{name} has more than {MAX_KEY_SIZE} bytes: it is not a key")
    return content.decode("latin-1")  # the caller rejects other characters than ASCII


def _open_nonblocking(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # opening a pipe without a writer would block


def _read_seconds(name: str, default: float) -> float:
    text = os.environ.get(name, "").strip()
    if not text:
        return default
    seconds = float(text) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) else 0.0
    if not 0 < seconds <= MAX_SECONDS:
        raise SettingsError(f"{name} must be a number of seconds, above 0 and at most a day, not {text!r}")
    return seconds


def _read_max_pages() -> int:
    text = os.environ.get("FAL_MAX_PAGES", "").strip() or str(DEFAULT_MAX_PAGES)
    if not re.fullmatch(r"[0-9]{1,5}", text) or int(text) == 0:
        raise SettingsError(f"FAL_MAX_PAGES must be a number from 1 to {MOST_PAGES}, not {text!r}")
    return int(text)
