"""Run make conformance on the sample."""

import shutil
from pathlib import Path

import duckdb
import pytest

from tests.conformance.document import DOCUMENT, place, run_score, score
from tests.end_to_end.conftest import Command, run
from tests.end_to_end.dbt_processes import DBT, parsed_settings

pytestmark = pytest.mark.end_to_end


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Path of the warehouse."""
    return tmp_path_factory.mktemp("score") / "warehouse.duckdb"


@pytest.fixture(scope="module")
def made(warehouse: Path) -> Command:
    """Output of make conformance."""
    return run_score(warehouse)


def test_the_sample_keeps_every_must_and_its_score_is_printed(made: Command, warehouse: Path) -> None:
    assert made.code == 0, made.output
    text = DOCUMENT.read_text()
    assert place(text, "score", score(made)) == text, "run python -m tests.conformance.document"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        statuses = connection.execute(
            "select distinct status from focus.conformance_report"
            " where not is_composite and rule_type = 'Static' and keyword like 'MUST%' order by all"
        ).fetchall()
    assert statuses == [("finding",), ("inactive",), ("no rows",), ("passed",)]


def test_a_broken_must_fails_the_build_with_its_rule_id_and_a_row(made: Command, warehouse: Path) -> None:
    assert made.code == 0, made.output
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "update focus.conformance_report set violations = 2, example_row = 'a bad charge'"
            " where rule_id = 'CAU-SkuId-C-005-C'"
        )
    dbt, settings = [DBT, "--no-use-colors"], parsed_settings()
    shutil.copy(warehouse, settings["FAL_WAREHOUSE"])
    folders = ["--target-path", str(warehouse.parent), "--log-path", str(warehouse.parent)]
    tested = run([*dbt, "test", *folders, "--select", "focus_musts_are_kept"], **settings)
    assert tested.code == 1
    assert "rule_id CAU-SkuId-C-005-C · " in tested.output
    assert "violations 2 · example_row a bad charge" in tested.output
    shown = run([*dbt, "--quiet", "run-operation", "show_conformance", *folders], **settings)
    settings["FAL_WAREHOUSE"].unlink()
    assert shown.code != 0
    assert "our rows break MUST rules of FOCUS: 1" in shown.output
