"""Servers for the tests of the API: one of a small publication, one of the sample that dbt builds."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.serving import Served, publish_small, serving
from tests.end_to_end.conftest import run
from tests.end_to_end.dbt_processes import DBT


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
def published_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Publish the sample with dbt, and return the folder. For tests with the mark end_to_end."""
    work = tmp_path_factory.mktemp("sample")
    settings = {"FAL_WAREHOUSE": work / "warehouse.duckdb", "FAL_PUBLISH_DIR": work / "published"}
    folders = ["--log-path", str(work), "--target-path", str(work / "target")]
    done = run([DBT, "--no-use-colors", "build", *folders], **settings)
    assert done.code == 0, done.output
    return work / "published"


@pytest.fixture(scope="session")
def sample(published_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the sample."""
    with serving(published_sample, tmp_path_factory.mktemp("served")) as served:
        yield served
