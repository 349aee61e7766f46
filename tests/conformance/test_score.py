"""Run make conformance on the sample."""

import re
import shutil
from pathlib import Path

import duckdb
import pytest

from tests.conformance.document import DOCUMENT, place, run_score, score
from tests.conformance.rules import RELATIONS, read_columns, read_rules
from tests.end_to_end.conftest import ROOT, Command, run
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
        versions = connection.execute(
            "select focus_version, count(*) from focus.conformance_report group by all order by all"
        ).fetchall()
    assert statuses == [("finding",), ("inactive",), ("no rows",), ("passed",)]
    assert versions == [(version, len(read_rules(version))) for version in ("1.3", "1.4")]


@pytest.mark.parametrize(
    ("old", "new", "row_id"),
    [("charges", "charges_1_4", "x_ChargeId"), ("commitments", "commitments_1_4", "ContractCommitmentId")],
)
def test_a_verdict_that_counts_for_both_versions_is_on_equal_columns(
    old: str, new: str, row_id: str, made: Command, warehouse: Path
) -> None:
    assert made.code == 0, made.output
    old_columns, new_columns = (
        {row["column_id"] for row in read_columns(RELATIONS[table])} for table in (old, new)
    )
    macro = (ROOT / "macros/conformance/versions.sql").read_text()
    (listed,) = re.findall(rf"'{RELATIONS[new].dataset}': \[(.*?)\]", macro, re.DOTALL)
    pattern = "|".join(re.findall(r"'(.*?)'", listed))
    changed = {name for name in new_columns if re.fullmatch(pattern, name)}
    assert new_columns - old_columns <= changed
    shared = ", ".join([row_id, *sorted(old_columns & new_columns - changed - {row_id})])
    with duckdb.connect(str(warehouse), read_only=True) as connection:
        for one, other in ((old, new), (new, old)):
            query = "select {0} from {1} except all select {0} from {2}"
            marts = RELATIONS[one].mart, RELATIONS[other].mart
            assert connection.execute(query.format(shared, *marts)).fetchall() == []


@pytest.mark.parametrize("focus_version", ["1.3", "1.4"])
def test_a_broken_must_fails_the_build_with_its_rule_id_and_a_row(
    focus_version: str, made: Command, warehouse: Path
) -> None:
    assert made.code == 0, made.output
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute(
            "update focus.conformance_report set example_row = 'a bad charge',"
            " violations = case when focus_version = ? then 2 else 0 end"
            " where rule_id = 'CAU-SkuId-C-005-C'",
            [focus_version],
        )
    dbt, settings = [DBT, "--no-use-colors"], parsed_settings()
    shutil.copy(warehouse, settings["FAL_WAREHOUSE"])
    folders = ["--target-path", str(warehouse.parent), "--log-path", str(warehouse.parent)]
    tested = run([*dbt, "test", *folders, "--select", "focus_musts_are_kept"], **settings)
    assert tested.code == 1
    assert f"focus_version {focus_version} · rule_id CAU-SkuId-C-005-C · " in tested.output
    assert "violations 2 · example_row a bad charge" in tested.output
    shown = run([*dbt, "--quiet", "run-operation", "show_conformance", *folders], **settings)
    assert shown.code != 0
    assert "our rows break MUST rules of FOCUS: 1" in shown.output
    other = {"1.3": "1.4", "1.4": "1.3"}[focus_version]
    args = ["--args", f'{{focus_version: "{other}"}}']
    shown = run([*dbt, "--quiet", "run-operation", "show_conformance", *args, *folders], **settings)
    settings["FAL_WAREHOUSE"].unlink()
    assert shown.code == 0, shown.output
    assert f"RULES OF FOCUS {other}" in shown.output
    assert f"RULES OF FOCUS {focus_version}" not in shown.output
