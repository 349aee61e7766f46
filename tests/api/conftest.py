"""Servers for the tests of the API: one of a small publication, one of the sample that dbt builds."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.api.serving import Served, publish_small, serving

ROOT = Path(__file__).parents[2]


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
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FAL_")}
    environment |= {
        "FAL_WAREHOUSE": str(work / "warehouse.duckdb"),
        "FAL_PUBLISH_DIR": str(work / "published"),
    }
    dbt = [str(Path(sys.executable).with_name("dbt")), "--no-use-colors", "--log-path", str(work)]
    done = subprocess.run(
        [*dbt, "build", "--target-path", str(work / "target")],
        cwd=ROOT,
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    assert done.returncode == 0, done.stdout
    return work / "published"


@pytest.fixture(scope="session")
def sample(published_sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Serve the sample."""
    with serving(published_sample, tmp_path_factory.mktemp("served")) as served:
        yield served
