"""Settings, from the environment."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from api.errors import SettingsError

SECONDS = {"second": 1, "minute": 60, "hour": 3600}
BYTES = {"MB": 10**6, "GB": 10**9}


@dataclass(frozen=True)
class RateLimit:
    """How many requests a token may make, or records it may read, in so many seconds."""

    amount: int
    seconds: int


@dataclass(frozen=True)
class Settings:
    """Where things are, and how much a token may ask.

    publish_dir: what builds publish into. tokens_file: who may ask; tokens_json, if set, is in its place.
    export_dir: the server's own folder: exports, and the publications that it has pinned.
    rate_limit, row_rate_limit: requests and records of a token. export_quota: bytes that the exports of a
    token may have. export_floor: bytes of free space that exports leave. standard_fields: serve the fields of
    FOCUS's document alone, to every token. url: what addresses of downloads begin with, in place of the Host
    that a client sends.
    """

    publish_dir: Path
    tokens_file: Path
    tokens_json: str
    export_dir: Path
    rate_limit: RateLimit
    standard_fields: bool = False
    row_rate_limit: RateLimit = RateLimit(1_000_000, 60)
    export_quota: int = 5 * 10**9
    export_floor: int = 10**9
    url: str = ""


def from_environment() -> Settings:
    """The settings. SettingsError if one cannot be used."""
    return Settings(
        publish_dir=folder("FAL_PUBLISH_DIR", "published"),
        tokens_file=folder("FOCUS_API_TOKENS_FILE", "api_tokens.json"),
        tokens_json=os.environ.get("FOCUS_API_TOKENS", "").strip(),
        export_dir=folder("FOCUS_API_EXPORT_DIR", "exports"),
        rate_limit=rate_limit("FOCUS_API_RATE_LIMIT", "600/minute"),
        row_rate_limit=rate_limit("FOCUS_API_ROW_RATE_LIMIT", "1000000/minute"),
        export_quota=size("FOCUS_API_EXPORT_QUOTA", "5GB"),
        export_floor=size("FOCUS_API_EXPORT_FLOOR", "1GB"),
        url=url("FOCUS_API_URL"),
        standard_fields=is_standard(os.environ.get("FOCUS_API_FIELDS", "all")),
    )


def folder(name: str, default: str) -> Path:
    """A path that a variable names. An empty one would be the working folder, which nobody means."""
    path = os.environ.get(name, default)
    if not path:
        raise SettingsError(f"{name} is empty: unset it for {default}, or name another")
    return Path(path)


def is_standard(text: str) -> bool:
    """Whether FOCUS_API_FIELDS asks for the fields of FOCUS's document alone."""
    if text.strip() not in ("all", "standard"):
        raise SettingsError(f"FOCUS_API_FIELDS must be all or standard, not {text!r}")
    return text.strip() == "standard"


def rate_limit(name: str, default: str) -> RateLimit:
    """A rate limit as it is written: 600/minute."""
    text = os.environ.get(name, default)
    match = re.fullmatch(r"([1-9][0-9]{0,8})/(second|minute|hour)", text.strip())
    if not match:
        raise SettingsError(f"{name} must look like {default} (or /second, /hour), above 0, not {text!r}")
    return RateLimit(int(match[1]), SECONDS[match[2]])


def size(name: str, default: str) -> int:
    """A number of bytes as it is written: 5GB."""
    text = os.environ.get(name, default)
    match = re.fullmatch(r"([0-9]{1,6})(MB|GB)", text.strip())
    if not match:
        raise SettingsError(f"{name} must look like {default} (or MB), not {text!r}")
    return int(match[1]) * BYTES[match[2]]


def url(name: str) -> str:
    """An address without its path, such as https://costs.example.com; empty if it is not set."""
    text = os.environ.get(name, "").strip().rstrip("/")
    if text and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", text):
        raise SettingsError(f"{name} must look like https://costs.example.com, without a path, not {text!r}")
    return text
