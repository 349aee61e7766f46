"""Every check can fail: good rows keep all rules, and for each rule some bad rows break it."""

from collections.abc import Iterator
from decimal import Decimal

import duckdb
import pytest

from tests.conformance.rows import (
    CHARGES,
    COMMITMENTS,
    ODD_CHARGES,
    Row,
    bad_charges,
    bad_elements,
    off_by_a_hair,
)
from tests.conformance.rules import ROW_IDS, Compiled, Rule, compile_rules, read_columns, read_rules

pytestmark = pytest.mark.end_to_end

RULES = read_rules()
# these check the type of the column, which is the same for every row
TYPED = ["number_format", "time_format", "every_number", "every_time"]
ADD = "insert into changed_columns values ('1.3', 'CostAndUsage'"
MARTS = {"charges": "focus.cost_and_usage", "commitments": "focus.contract_commitment"}


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> Compiled:
    """The SQL of the scans, and a warehouse with empty marts."""
    return compile_rules(tmp_path_factory.mktemp("rules"), TYPED)


@pytest.fixture(scope="module")
def database(compiled: Compiled) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to that warehouse."""
    with duckdb.connect(str(compiled.warehouse)) as connection:
        connection.execute("set TimeZone = 'UTC'")
        yield connection


def by_kind(dataset: str) -> dict[str, list[str]]:
    """Columns of a dataset by the kind of their values."""
    columns = [row for row in read_columns() if row["dataset"] == dataset]

    def those(**wanted: str) -> list[str]:
        return [
            c["column_id"] for c in columns if all(c[key].startswith(value) for key, value in wanted.items())
        ]

    texts = those(data_type="String")
    return {
        "number": those(data_type="Decimal"),
        "json": those(data_type="JSON"),
        "text": texts,
        "required_text": those(data_type="String", allows_nulls="false"),
        "currency": [name for name in texts if name.endswith("Currency")],
        "unit": those(value_format="Unit"),
        "key_value": those(value_format="Key-Value"),
        "json_object": those(value_format="JSON Object"),
    }


def fill(database: duckdb.DuckDBPyConnection, relation: str, mart: str, rows: dict[str, Row]) -> None:
    """Create a table like the mart with these rows and their ids."""
    row_id = ROW_IDS[relation]
    columns = [column[0] for column in database.execute(f"from {mart} limit 0").description]
    columns = [name for name in columns if name != row_id]
    database.execute(
        f"create or replace temp table {relation} as"
        f" select cast(null as varchar) as {row_id}, {', '.join(columns)} from {mart} limit 0"
    )
    database.executemany(
        f"insert into {relation} values ({', '.join('?' * (len(columns) + 1))})",
        [[name, *(row.get(column) for column in columns)] for name, row in rows.items()],
    )


def verdicts(
    database: duckdb.DuckDBPyConnection, compiled: Compiled, name: str
) -> dict[str, dict[str, list[bool | None]]]:
    """Run a scan; return the verdicts of each row or element by row id and verdict column."""
    answer = database.execute(compiled.verdicts[name])
    columns = [column[0] for column in answer.description]
    found: dict[str, dict[str, list[bool | None]]] = {}
    for row in answer.fetchall():
        by_rule = found.setdefault(row[0], {})
        for column, value in zip(columns[2:], row[2:], strict=True):
            by_rule.setdefault(column, []).append(value)
    return found


@pytest.fixture(scope="module")
def good(
    database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> dict[str, dict[str, dict[str, list[bool | None]]]]:
    """Verdicts on the good rows, by scan."""
    fill(database, "charges", MARTS["charges"], CHARGES | ODD_CHARGES)
    fill(database, "commitments", MARTS["commitments"], COMMITMENTS)
    return {scan: verdicts(database, compiled, scan) for scan in compiled.verdicts}


def rules_of(scan: str) -> list[Rule]:
    """Rules that a scan checks row by row."""
    return [rule for rule in RULES if scan in rule.scans and rule.shape not in TYPED]


def test_good_rows_of_every_kind_keep_every_rule(good: dict) -> None:
    broken = [
        (scan, row, rule)
        for scan in ("charges", "commitments", "elements")
        for row, by_rule in good[scan].items()
        if row not in ODD_CHARGES
        for rule, values in by_rule.items()
        if False in values
    ]
    assert broken == []


@pytest.mark.parametrize("scan", ["charges", "commitments", "elements"])
def test_every_rule_applies_to_a_good_row_and_catches_a_bad_one(
    scan: str, good: dict, database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    dataset = "ContractCommitment" if scan == "commitments" else "CostAndUsage"
    relation = "commitments" if scan == "commitments" else "charges"
    rows = COMMITMENTS if scan == "commitments" else CHARGES | ODD_CHARGES
    kinds = by_kind(dataset)
    bad: dict[str, Row] = {}
    expected: list[tuple[Rule, list[str]]] = []
    silent = []
    for rule in rules_of(scan):
        spoken = [name for name in rows if True in good[scan].get(name, {}).get(rule.verdict, [])]
        if not spoken:
            silent.append(rule.rule_id)
            continue
        row = rows[spoken[0]]
        if rule.shape.startswith("every_"):
            # the row with the most columns
            row = max((rows[name] for name in spoken), key=lambda r: sum(v is not None for v in r.values()))
        sets = bad_elements(rule, row) if scan == "elements" else bad_charges(rule, row, kinds)
        for number, mutants in enumerate(sets):
            ids = [f"{rule.rule_id} {number} {copy}" for copy in range(len(mutants))]
            bad |= dict(zip(ids, mutants, strict=True))
            expected.append((rule, ids))
    assert silent == [], "rules that no good row is about"

    fill(database, relation, MARTS[relation], bad)
    found = verdicts(database, compiled, scan)
    missed = []
    for rule, ids in expected:
        if not all(False in found.get(name, {}).get(rule.verdict, []) for name in ids):
            missed.append((rule.rule_id, rule.shape, bad[ids[0]].get(rule.column_id)))
    assert missed == []
    assert {rule.rule_id for rule, _ in expected} == {rule.rule_id for rule in rules_of(scan)}


@pytest.mark.parametrize("relation", ["charges", "commitments"])
def test_a_number_or_time_of_another_type_in_the_mart_is_caught(relation: str, good: dict) -> None:
    typed = [rule for rule in RULES if relation in rule.scans and rule.shape in TYPED]
    held, not_held = good[relation], good[f"untyped {relation}"]
    assert typed
    for rule in typed:
        speaks = [name for name, by_rule in held.items() if by_rule[rule.verdict] != [None]]
        assert speaks
        assert {held[name][rule.verdict][0] for name in speaks} == {True}, rule.rule_id
        assert {not_held[name][rule.verdict][0] for name in speaks} == {False}, rule.rule_id


def test_a_price_in_a_provider_row_does_not_break_a_rule_for_our_rows(
    database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    ours = CHARGES["usage"]
    theirs = CHARGES["invoiced usage"] | {"ServiceCategory": "Compute", "ServiceSubcategory": "Containers"}
    fill(database, "charges", MARTS["charges"], {"ours": ours, "theirs": theirs})
    found = verdicts(database, compiled, "charges")
    assert found["ours"]["cau_servicename_c_005_c"] == [True]
    assert found["theirs"]["cau_servicename_c_005_c"] == [False]


def broken_by_columns(
    database: duckdb.DuckDBPyConnection, compiled: Compiled, change: str
) -> dict[str, tuple[int, str | None]]:
    """Change the list of mart columns; return the broken rules with violations and example."""
    database.execute("create or replace temp table changed_columns as from conformance.mart_columns")
    for statement in filter(None, change.split(";")):
        database.execute(statement)
    catalog = database.execute("select current_catalog()").fetchone()
    query = compiled.columns.replace(f'"{catalog[0]}"."conformance"."mart_columns"', "changed_columns")
    assert "changed_columns" in query
    return {
        rule_id: (violations, example)
        for rule_id, _, violations, _, example in database.execute(query).fetchall()
        if violations
    }


def test_the_marts_have_the_columns_that_the_rules_require(
    database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    assert broken_by_columns(database, compiled, "") == {}


def test_every_missing_column_or_wrong_type_is_caught(
    database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    rules = [rule for rule in RULES if rule.scan == "columns" and rule.shape in ("present", "type")]
    for dataset, column in sorted({(rule.dataset, rule.column_id) for rule in rules}):
        where = f"where dataset = '{dataset}' and column_id = '{column}'"
        expected = {rule.rule_id for rule in rules if (rule.dataset, rule.column_id) == (dataset, column)}
        of_type = {rule.rule_id for rule in rules if rule.rule_id in expected and rule.shape == "type"}
        missing = broken_by_columns(database, compiled, f"delete from changed_columns {where}")
        assert set(missing) == expected
        mistyped = broken_by_columns(
            database, compiled, f"update changed_columns set data_kind = 'other' {where}"
        )
        assert set(mistyped) == of_type


@pytest.mark.parametrize(
    ("change", "caught"),
    [
        (
            f"{ADD}, 'Note', 99, 'varchar', null, null, 'text')",
            {"ColumnHandling-A-010-M", "ColumnHandling-A-011-O"},
        ),
        (
            f"{ADD}, 'x_note', 99, 'varchar', null, null, 'text')",
            {"ColumnHandling-A-011-O"},
        ),
        (
            f"{ADD}, 'x_{'Long' * 13}', 99, 'varchar', null, null, 'text')",
            {"ColumnHandling-A-005-O"},
        ),
        (
            "update changed_columns set column_position = 0 where column_id = 'x_ChargeId'",
            {"ColumnHandling-A-013-O", "ColumnHandling-A-014-O"},
        ),
    ],
)
def test_a_custom_column_that_is_named_or_placed_wrongly_is_caught(
    change: str, caught: set[str], database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    assert set(broken_by_columns(database, compiled, change)) == caught


def test_an_empty_bill_passes_only_the_rules_on_columns(
    database: duckdb.DuckDBPyConnection,
) -> None:
    passed = database.execute(
        "select distinct rules.scan from focus.conformance_report as report"
        " inner join seeds.focus_rules as rules on report.rule_id = rules.rule_id"
        " where report.status = 'passed' and not report.is_composite"
    ).fetchall()
    assert passed == [("columns",)]


def test_amounts_are_compared_to_the_last_digit() -> None:
    assert Decimal(off_by_a_hair("37.5")) - Decimal("37.5") == Decimal("1E-18")
    assert Decimal(off_by_a_hair("100")) - Decimal("100") == Decimal("1E-18")
