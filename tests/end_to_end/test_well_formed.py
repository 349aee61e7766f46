"""The well_formed test reports each broken promise of a relation, and no other."""

import re
import shutil
from textwrap import dedent

import pytest

from tests.end_to_end.conftest import ROOT, run
from tests.end_to_end.dbt_processes import DBT

PROJECT = """
    name: promises
    profile: fal_focus
    flags: {send_anonymous_usage_stats: false}
    on-run-end: "{{ report_findings(results) }}"
"""
THINGS = """
    thing,kind,unit,status,cost
    whole,Usage,Seconds,open,1
    empty where it may be,Tax,,,2
    without cost,Tax,,it's closed,
    without unit,Usage,,open,3
    with unit,Fee,Months,open,4
    odd,Tax,,ajar,5
    all wrong,Usage,,lost,
    twice,Tax,,open,6
    twice,Tax,Months,open,6
    ,Tax,,open,7
    ,Tax,,open,8
"""
# more rows than a build shows break one promise
MANY = "thing,cost\n" + "".join(f"t{number},\n" for number in range(30)) + "twice,1\ntwice,1\n"
# promises of the relation, with the findings that a build reports
FINDINGS = {
    "never_null: [kind, cost]": ["finding cost is null", "finding cost is null"],
    """never_null_where: [{columns: [cost, unit], where: "kind='Usage' or kind='Fee'"}], show: [thing]""": [
        "thing without unit · finding unit is null",
        "thing all wrong · finding cost is null; unit is null",
    ],
    "accepted: {status: [open, it's closed], kind: [Usage, Tax, Fee]}, show: [thing, cost]": [
        "thing odd · cost 5 · finding status is ajar, not one of open, it's closed",
        "thing all wrong · finding status is lost, not one of open, it's closed",
    ],
    "unique: [thing]": ["finding 2 rows agree in thing", "thing twice · finding 2 rows agree in thing"],
    "unique: [[kind, thing]]": [
        "kind Tax · finding 2 rows agree in kind, thing",
        "kind Tax · thing twice · finding 2 rows agree in kind, thing",
    ],
    "unique: [[thing, unit, cost]], never_null: [kind], accepted: {kind: [Usage, Tax, Fee]}": [],
    "unique: [thing, cost], never_null: [status], accepted: {kind: [Usage, Tax]}": [
        "thing empty where it may be · cost 2 · finding status is null",
        "thing with unit · cost 4 · finding kind is Fee, not one of Usage, Tax",
        "finding 2 rows agree in thing",
        "thing twice · finding 2 rows agree in thing",
        "finding 2 rows agree in cost",
        "cost 6 · finding 2 rows agree in cost",
    ],
}


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Return the findings by promise, from a build of only this relation with the project's macros."""
    project = tmp_path_factory.mktemp("promises")
    for folder in ("macros", "tests/generic"):
        shutil.copytree(ROOT / folder, project / folder)
    promises = {f"promise_{number}": promise for number, promise in enumerate(FINDINGS)}
    tests = "".join(
        f"      - well_formed: {{name: {name}, arguments: {{{promise}}}}}\n"
        for name, promise in promises.items()
    )
    (project / "dbt_project.yml").write_text(dedent(PROJECT))
    (project / "seeds").mkdir()
    (project / "seeds" / "things.csv").write_text(dedent(THINGS).lstrip())
    (project / "seeds" / "many.csv").write_text(MANY)
    many = "      - well_formed: {name: many, arguments: {unique: [thing], never_null: [cost]}}\n"
    (project / "seeds" / "seeds.yml").write_text(
        f"seeds:\n  - name: things\n    data_tests:\n{tests}  - name: many\n    data_tests:\n{many}"
    )
    where = ["--project-dir", str(project), "--profiles-dir", str(ROOT)]
    done = run([DBT, "--no-use-colors", "--quiet", "build", *where], FAL_WAREHOUSE=project / "w.duckdb")
    lines = dict(re.findall(r"^fail (\w+): .*\n((?: {4}.*\n)*)", done.output, re.MULTILINE))
    broken = {name for name, promise in promises.items() if FINDINGS[promise]}
    assert lines.keys() == broken | {"many"}, done.output
    found = {promise: lines.get(name, "").split("\n")[:-1] for name, promise in promises.items()}
    return found | {"many": lines["many"].split("\n")[:-1]}


@pytest.mark.parametrize("promise", FINDINGS)
def test_a_broken_promise_is_reported_with_its_row(said: dict[str, list[str]], promise: str) -> None:
    assert sorted(line.strip() for line in said[promise]) == sorted(FINDINGS[promise])


def test_many_rows_of_one_finding_do_not_hide_another(said: dict[str, list[str]]) -> None:
    assert "    thing twice · finding 2 rows agree in thing" in said["many"][:2]
    assert said["many"][-1].startswith("    and 11 more: ")
