"""Settings, read from the environment."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from api.errors import SettingsError

SECONDS = {"second": 1, "minute": 60, "hour": 3600}
BYTES = {"MB": 10**6, "GB": 10**9}


@dataclass(frozen=True)
class RateLimit:
    """The number of requests or records that a token may use in a number of seconds."""

    amount: int
    seconds: int


@dataclass(frozen=True)
class Settings:
    """Folders and limits of a server.

    publish_dir: the folder that builds publish into.
    tokens_file: the file of tokens. tokens_json replaces it if it is not empty.
    export_dir: the server's own folder, for exports and for pinned publications.
    rate_limit, row_rate_limit: requests and records of a token.
    export_quota: bytes that the exported files of a token may use.
    export_floor: bytes of free space that exports and copies of publications leave on the disk.
    standard_fields: serve only the fields of FOCUS's document, to every token.
    url: the start of download addresses. If it is empty, the client's Host header is used.
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


def read_settings() -> Settings:
    """Read the settings from the environment. Raises SettingsError if one is invalid."""
    return Settings(
        publish_dir=read_folder("FAL_PUBLISH_DIR", "published"),
        tokens_file=read_folder("FOCUS_API_TOKENS_FILE", "api_tokens.json"),
        tokens_json=os.environ.get("FOCUS_API_TOKENS", "").strip(),
        export_dir=read_folder("FOCUS_API_EXPORT_DIR", "exports"),
        rate_limit=read_rate_limit("FOCUS_API_RATE_LIMIT", "600/minute"),
        row_rate_limit=read_rate_limit("FOCUS_API_ROW_RATE_LIMIT", "1000000/minute"),
        export_quota=read_size("FOCUS_API_EXPORT_QUOTA", "5GB"),
        export_floor=read_size("FOCUS_API_EXPORT_FLOOR", "1GB"),
        url=read_url("FOCUS_API_URL"),
        standard_fields=read_standard_fields("FOCUS_API_FIELDS"),
    )


def read_folder(name: str, default: str) -> Path:
    """Read a path. An empty path is refused: it would be the working folder, which is never intended."""
    path = os.environ.get(name, default)
    if not path:
        raise SettingsError(f"{name} is empty: unset it to use {default}, or set it to another path")
    return Path(path)


def read_standard_fields(name: str) -> bool:
    """Read whether the server serves only the fields of FOCUS's document."""
    text = os.environ.get(name, "all").strip()
    if text not in ("all", "standard"):
        raise SettingsError(f"{name} must be all or standard, not {text!r}")
    return text == "standard"


def read_rate_limit(name: str, default: str) -> RateLimit:
    """Read a rate limit, such as 600/minute."""
    text = os.environ.get(name, default)
    match = re.fullmatch(r"([1-9][0-9]{0,8})/(second|minute|hour)", text.strip())
    if not match:
        raise SettingsError(f"{name} must look like {default} (or /second, /hour), above 0, not {text!r}")
    return RateLimit(int(match[1]), SECONDS[match[2]])


def read_size(name: str, default: str) -> int:
    """Read a number of bytes, such as 5GB."""
    text = os.environ.get(name, default)
    match = re.fullmatch(r"([0-9]{1,6})(MB|GB)", text.strip())
    if not match:
        raise SettingsError(f"{name} must look like {default} (or MB), not {text!r}")
    return int(match[1]) * BYTES[match[2]]


def read_url(name: str) -> str:
    """Read an address without a path, such as https://costs.example.com. An unset one is empty."""
    text = os.environ.get(name, "").strip().rstrip("/")
    if text and not re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+", text):
        raise SettingsError(f"{name} must look like https://costs.example.com, without a path, not {text!r}")
    return text
