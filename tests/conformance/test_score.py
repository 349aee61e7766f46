"""make conformance on the sample."""

from pathlib import Path

import duckdb
import pytest

from tests.conformance.document import DOCUMENT, place, run_score, score

pytestmark = pytest.mark.end_to_end


def test_the_sample_keeps_every_must_and_conformance_md_shows_its_score(tmp_path: Path) -> None:
    warehouse = tmp_path / "warehouse.duckdb"
    command = run_score(warehouse)
    assert command.code == 0, command.output
    text = DOCUMENT.read_text()
    assert place(text, "score", score(command)) == text, "run python -m tests.conformance.document"
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        statuses = connection.execute(
            "select distinct status from focus.conformance_report"
            " where not is_composite and rule_type = 'Static' and keyword like 'MUST%' order by all"
        ).fetchall()
    assert statuses == [("finding",), ("inactive",), ("no rows",), ("passed",)]
