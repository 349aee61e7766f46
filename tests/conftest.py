"""What all tests share: nothing of the caller's own fal settings gets in."""

import os
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_settings_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A test must not read, nor write to, the landing zone and account of who runs it.

    The umask is the usual one; commands that run in this process change it.
    """
    before = os.umask(0o022)
    for name in list(os.environ):
        if name.startswith(("FAL_", "FOCUS_API_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield
    os.umask(before)


def pytest_addoption(parser: pytest.Parser) -> None:
    """How many random landing zones to compare with the reference, and which."""
    parser.addoption("--zones", type=int, default=10, help="number of random landing zones (default: 10)")
    parser.addoption("--zones-seed", type=int, default=1, help="seed of the first of them (default: 1)")
