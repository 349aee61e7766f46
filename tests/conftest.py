"""Shared by all tests: removes the caller's own fal settings."""

import os
from collections.abc import Iterator

import pytest

from tests.end_to_end.dbt_processes import stop_server


@pytest.fixture(autouse=True)
def no_settings_of_ones_own(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Remove fal settings, so that a test does not use the landing zone and account of the caller.

    Also sets the usual umask, since commands that run in this process change it.
    """
    before = os.umask(0o022)
    for name in list(os.environ):
        if name.startswith(("FAL_", "FOCUS_API_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    yield
    os.umask(before)


@pytest.fixture(scope="session", autouse=True)
def no_server_of_dbt_is_left() -> Iterator[None]:
    """End the process that runs dbt."""
    yield
    stop_server()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with builds, those with the mark long first: at the end, they would leave a worker idle."""
    items.sort(key=lambda item: [item.get_closest_marker(mark) is None for mark in ("long", "end_to_end")])


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options for the number and the seed of random landing zones."""
    parser.addoption("--zones", type=int, default=10, help="number of random landing zones (default: 10)")
    parser.addoption("--zones-seed", type=int, default=1, help="seed of the first of them (default: 1)")
