"""Servers for the tests of the API: one of a small publication, one of the sample that dbt builds."""

from collections.abc import Iterator

import httpx
import pytest

from tests.api.serving import Served, publish_small, serving
from tests.end_to_end.conftest import build_sample


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the small publication of tests/api/serving.py."""
    work = tmp_path_factory.mktemp("small")
    publish_small(work / "published")
    with serving(work / "published", work) as served:
        yield served


@pytest.fixture
def api(small: Served) -> Iterator[httpx.Client]:
    """Return a client of it whose token can see everything."""
    with small.client() as client:
        yield client


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the sample. For tests with the mark end_to_end."""
    published = build_sample(tmp_path_factory) / "published"
    with serving(published, tmp_path_factory.mktemp("served")) as served:
        yield served
