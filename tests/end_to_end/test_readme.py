"""What the README shows, runs."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.end_to_end.conftest import ROOT, Warehouse

QUERIES = re.findall(r"```sql\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, dbt_build: Callable[[Path], Warehouse]) -> Warehouse:
    """The committed sample, reached by another path: a build writes beside the landing zone."""
    landing = tmp_path_factory.mktemp("sample") / "sample"
    landing.symlink_to(ROOT / "sample")
    return dbt_build(landing)


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_of_the_readme_answers(sample: Warehouse, query: str) -> None:
    assert sample.rows(query)


def test_the_readme_has_a_query_for_each_mart(sample: Warehouse) -> None:
    marts = sample.rows(
        "select table_schema || '.' || table_name from information_schema.tables"
        " where table_schema in ('focus', 'finops')"
    )
    assert [mart for (mart,) in marts if not any(mart in query for query in QUERIES)] == []
