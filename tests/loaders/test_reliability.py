"""docs/reliability.md lists every fault, and every test that it names exists."""

import re
import subprocess
import sys
from fnmatch import translate
from pathlib import Path

import pytest

from tests.fal_server import FAULTS

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "reliability.md").read_text()


def test_every_named_test_exists() -> None:
    named = re.findall(r"`((?:tests/\w+/)?test_\w+\.py::[^`]+)`", DOCUMENT)
    elsewhere = {name.rpartition("/test_")[0] for name in named if name.startswith("tests/")}
    folders = sorted({"tests/loaders", "tests/api"} | elsewhere)
    listing = [sys.executable, "-m", "pytest", "--collect-only", "-q", *folders]
    collected = subprocess.run(
        listing, cwd=ROOT, capture_output=True, text=True, check=True, timeout=600
    ).stdout
    ids = [line for line in collected.splitlines() if "::" in line]
    ids += [line.split("/", 2)[-1] for line in ids]
    assert len(named) > 50
    unknown = [name for name in named if not any(map(like(name).fullmatch, ids))]
    assert unknown == []


def like(name: str) -> re.Pattern[str]:
    """Return a pattern for test ids, in which * matches any text."""
    return re.compile(translate(name.replace("[", "[[]")))


def test_every_named_fault_is_listed() -> None:
    listed = re.findall(r"^\| [^|]+ \| `(\w+)` \|", DOCUMENT, flags=re.MULTILINE)
    assert sorted(listed) == sorted(FAULTS)
