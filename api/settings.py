"""Settings, from the environment."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from api.errors import SettingsError

SECONDS = {"second": 1, "minute": 60, "hour": 3600}


@dataclass(frozen=True)
class RateLimit:
    """How many requests a token may make in so many seconds."""

    requests: int
    seconds: int


@dataclass(frozen=True)
class Settings:
    """Where things are, and how much a token may ask.

    publish_dir: what builds publish into. tokens_file: who may ask; tokens_json, if set, is in its place.
    export_dir: the server's own folder: exports, and the publications that it has pinned.
    standard_fields: serve the fields of FOCUS's document alone, to every token.
    """

    publish_dir: Path
    tokens_file: Path
    tokens_json: str
    export_dir: Path
    rate_limit: RateLimit
    standard_fields: bool = False


def from_environment() -> Settings:
    """The settings. SettingsError if one cannot be used."""
    return Settings(
        publish_dir=folder("FAL_PUBLISH_DIR", "published"),
        tokens_file=folder("FOCUS_API_TOKENS_FILE", "api_tokens.json"),
        tokens_json=os.environ.get("FOCUS_API_TOKENS", "").strip(),
        export_dir=folder("FOCUS_API_EXPORT_DIR", "exports"),
        rate_limit=rate_limit(os.environ.get("FOCUS_API_RATE_LIMIT", "600/minute")),
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


def rate_limit(text: str) -> RateLimit:
    """A rate limit as it is written: 600/minute."""
    match = re.fullmatch(r"([1-9][0-9]{0,8})/(second|minute|hour)", text.strip())
    if not match:
        raise SettingsError(
            f"FOCUS_API_RATE_LIMIT must look like 600/minute (or /second, /hour), above 0, not {text!r}"
        )
    return RateLimit(int(match[1]), SECONDS[match[2]])
