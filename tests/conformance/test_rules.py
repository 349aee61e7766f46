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
from tests.conformance.rows_1_4 import (
    CHARGES_1_4,
    COMMITMENTS_1_4,
    LINE_CHARGES,
    LINES_1_4,
    PERIODS_1_4,
    bad_rows,
)
from tests.conformance.rules import (
    RELATIONS,
    SCANS,
    Compiled,
    Relation,
    Rule,
    Scan,
    compile_rules,
    read_columns,
    read_rules,
    rules_of,
)

pytestmark = pytest.mark.end_to_end

RULES = read_rules()
# these check the type of the column, which is the same for every row
TYPED = ["number_format", "time_format", "every_number", "every_time"]
ADD = "insert into changed_columns values ('1.3', 'CostAndUsage',"
GOOD: dict[str, dict[str, Row]] = {
    "charges": CHARGES | ODD_CHARGES,
    "commitments": COMMITMENTS,
    "charges_1_4": CHARGES_1_4 | ODD_CHARGES,
    "commitments_1_4": COMMITMENTS_1_4,
    "billing_periods_1_4": PERIODS_1_4,
    "invoice_details_1_4": LINES_1_4,
}


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


def by_kind(relation: Relation) -> dict[str, list[str]]:
    """Columns of a dataset by the kind of their values."""
    columns = read_columns(relation)

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


def fill(database: duckdb.DuckDBPyConnection, table: str, rows: dict[str, Row]) -> None:
    """Create a table like its mart with these rows and their ids."""
    relation = RELATIONS[table]
    columns = [column[0] for column in database.execute(f"from {relation.mart} limit 0").description]
    columns = [name for name in columns if name != relation.row_id]
    database.execute(
        f"create or replace temp table {table} as"
        f" select cast(null as varchar) as {relation.row_id}, {', '.join(columns)}"
        f" from {relation.mart} limit 0"
    )
    database.executemany(
        f"insert into {table} values ({', '.join('?' * (len(columns) + 1))})",
        [[name, *(row.get(column) for column in columns)] for name, row in rows.items()],
    )


def fill_good(database: duckdb.DuckDBPyConnection, scan: Scan) -> None:
    """Fill all tables with good rows. Lines of invoices have charges of their own."""
    for table, rows in GOOD.items():
        is_of_lines = scan.scan == "invoice_details" and table == "charges_1_4"
        fill(database, table, LINE_CHARGES if is_of_lines else rows)


def verdicts(database: duckdb.DuckDBPyConnection, query: str) -> dict[str, dict[str, list[bool | None]]]:
    """Run a scan; return the verdicts of each row or element by row id and verdict column.

    A rule that looks for a row in the mart of invoice lines finds it in the table of the tests.
    """
    catalog = database.execute("select current_catalog()").fetchone()
    query = query.replace(f'"{catalog[0]}"."focus_1_4"."invoice_detail"', "invoice_details_1_4")
    answer = database.execute(query)
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
    """Verdicts on the good rows, by scan, and on rows of marts without numbers and times."""
    found = {}
    for name, scan in SCANS.items():
        fill_good(database, scan)
        found[name] = verdicts(database, compiled.verdicts[name])
        if name in compiled.untyped:
            found[f"untyped {name}"] = verdicts(database, compiled.untyped[name])
    return found


def good_rows(scan: Scan) -> dict[str, Row]:
    """Good rows of the table of a scan."""
    return GOOD[scan.relation.table]


def test_good_rows_of_every_kind_keep_every_rule(good: dict) -> None:
    broken = [
        (scan, row, rule)
        for scan in SCANS
        for row, by_rule in good[scan].items()
        if row not in ODD_CHARGES
        for rule, values in by_rule.items()
        if False in values
    ]
    assert broken == []


def break_rule(scan: Scan, rule: Rule, row: Row) -> list[list[Row]]:
    """Make sets of rows that each break a rule, from a row that keeps it."""
    sets = bad_rows(rule, row)
    if sets is None and scan.scan == "elements":
        sets = bad_elements(rule, row)
    return list(bad_charges(rule, row, by_kind(scan.relation)) if sets is None else sets)


def isolate(rows: dict[str, Row], number: str) -> dict[str, Row]:
    """Move rows of the good invoice to an invoice of their own."""

    def move(row: Row) -> Row:
        is_good = row.get("InvoiceId") == LINES_1_4["line"]["InvoiceId"]
        return row | {"InvoiceId": f"{row['InvoiceId']}{number}"} if is_good else row

    return {f"{name}{number}": move(row) for name, row in rows.items()}


@pytest.mark.parametrize("name", SCANS)
def test_every_rule_applies_to_a_good_row_and_catches_a_bad_one(
    name: str, good: dict, database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    scan = SCANS[name]
    rows = good_rows(scan)
    bad: dict[str, Row] = {}
    charges: dict[str, Row] = {}
    expected: list[tuple[Rule, list[str]]] = []
    silent = []
    rules = [rule for rule in rules_of(scan) if rule.shape not in TYPED]
    for rule in rules:
        spoken = [row for row in rows if True in good[name].get(row, {}).get(rule.verdict, [])]
        if not spoken:
            silent.append(rule.rule_id)
            continue
        row = rows[spoken[0]]
        if rule.shape.startswith("every_"):
            # the row with the most columns
            row = max((rows[one] for one in spoken), key=lambda r: sum(v is not None for v in r.values()))
        for number, mutants in enumerate(break_rule(scan, rule, row)):
            own = f" {rule.rule_id} {number}"
            made = {str(copy): mutant for copy, mutant in enumerate(mutants)}
            if scan.scan == "invoice_details":
                made = isolate(made, own)
                charges |= isolate(LINE_CHARGES, own)
            else:
                made = {f"{copy}{own}": mutant for copy, mutant in made.items()}
            bad |= made
            expected.append((rule, list(made)))
    assert silent == [], "rules that no good row is about"

    fill_good(database, scan)
    if charges:
        fill(database, "charges_1_4", charges)
    fill(database, scan.relation.table, bad)
    found = verdicts(database, compiled.verdicts[name])
    missed = []
    for rule, ids in expected:
        if not all(False in found.get(one, {}).get(rule.verdict, []) for one in ids):
            missed.append((rule.rule_id, rule.shape, bad[ids[0]].get(rule.column_id)))
    assert missed == []
    assert {rule.rule_id for rule, _ in expected} == {rule.rule_id for rule in rules}


@pytest.mark.parametrize(
    "name", [name for name, scan in SCANS.items() if scan.scan not in ("elements", "scopes")]
)
def test_a_number_or_time_of_another_type_in_the_mart_is_caught(name: str, good: dict) -> None:
    typed = [rule for rule in rules_of(SCANS[name]) if rule.shape in TYPED]
    held, not_held = good[name], good[f"untyped {name}"]
    assert typed
    for rule in typed:
        speaks = [row for row, by_rule in held.items() if by_rule[rule.verdict] != [None]]
        assert speaks, rule.rule_id
        assert {held[row][rule.verdict][0] for row in speaks} == {True}, rule.rule_id
        assert {not_held[row][rule.verdict][0] for row in speaks} == {False}, rule.rule_id


def test_a_price_in_a_provider_row_does_not_break_a_rule_for_our_rows(
    database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    ours = CHARGES["usage"]
    theirs = CHARGES["invoiced usage"] | {"ServiceCategory": "Compute", "ServiceSubcategory": "Containers"}
    fill(database, "charges", {"ours": ours, "theirs": theirs})
    found = verdicts(database, compiled.verdicts["1.3 charges"])
    assert found["ours"]["cau_servicename_c_005_c_1_3"] == [True]
    assert found["theirs"]["cau_servicename_c_005_c_1_3"] == [False]


def broken_by_columns(
    database: duckdb.DuckDBPyConnection, compiled: Compiled, change: str
) -> set[tuple[str, str]]:
    """Change the list of mart columns; return version and id of the broken rules."""
    database.execute("create or replace temp table changed_columns as from conformance.mart_columns")
    for statement in filter(None, change.split(";")):
        database.execute(statement)
    catalog = database.execute("select current_catalog()").fetchone()
    query = compiled.columns.replace(f'"{catalog[0]}"."conformance"."mart_columns"', "changed_columns")
    assert "changed_columns" in query
    broken = database.execute(query).fetchall()
    return {(version, rule_id) for version, rule_id, _, violations, *_ in broken if violations}


def test_the_marts_have_the_columns_that_the_rules_require(
    database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    assert broken_by_columns(database, compiled, "") == set()


def test_every_missing_column_or_wrong_type_is_caught(
    database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    rules = [rule for rule in RULES if rule.scan == "columns" and rule.shape in ("present", "type")]
    for version, dataset, column in sorted({(r.focus_version, r.dataset, r.column_id) for r in rules}):
        where = f"where focus_version = '{version}' and dataset = '{dataset}' and column_id = '{column}'"
        about = [r for r in rules if (r.focus_version, r.dataset, r.column_id) == (version, dataset, column)]
        expected = {(version, rule.rule_id) for rule in about}
        of_type = {(version, rule.rule_id) for rule in about if rule.shape == "type"}
        assert broken_by_columns(database, compiled, f"delete from changed_columns {where}") == expected
        mistyped = f"update changed_columns set data_kind = 'other' {where}"
        assert broken_by_columns(database, compiled, mistyped) == of_type


@pytest.mark.parametrize(
    ("change", "caught"),
    [
        (
            f"{ADD} 'Note', 99, 'varchar', null, null, 'text')",
            {"ColumnHandling-A-010-M", "ColumnHandling-A-011-O"},
        ),
        (f"{ADD} 'x_note', 99, 'varchar', null, null, 'text')", {"ColumnHandling-A-011-O"}),
        (f"{ADD} 'x_{'Long' * 13}', 99, 'varchar', null, null, 'text')", {"ColumnHandling-A-005-O"}),
        (
            "update changed_columns set column_position = 0"
            " where focus_version = '1.3' and column_id = 'x_ChargeId'",
            {"ColumnHandling-A-013-O", "ColumnHandling-A-014-O"},
        ),
    ],
)
def test_a_custom_column_that_is_named_or_placed_wrongly_is_caught(
    change: str, caught: set[str], database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    broken = broken_by_columns(database, compiled, change)
    assert broken == {("1.3", rule_id) for rule_id in caught}


@pytest.mark.parametrize("dataset", ["CostAndUsage", "ContractCommitment", "BillingPeriod", "InvoiceDetail"])
def test_a_custom_column_of_1_4_without_its_prefix_is_caught(
    dataset: str, database: duckdb.DuckDBPyConnection, compiled: Compiled
) -> None:
    change = (
        f"insert into changed_columns values ('1.4', '{dataset}', 'Note', 99, 'varchar', null, null, 'text')"
    )
    assert broken_by_columns(database, compiled, change) == {("1.4", "CustomColumnHandling-A-002-M")}


def test_an_empty_bill_passes_only_the_rules_on_columns(
    database: duckdb.DuckDBPyConnection,
) -> None:
    passed = database.execute(
        "select distinct rules.scan from focus.conformance_report as report"
        " inner join seeds.focus_rules as rules using (focus_version, rule_id)"
        " where report.status = 'passed' and not report.is_composite"
    ).fetchall()
    assert passed == [("columns",)]


def test_amounts_are_compared_to_the_last_digit() -> None:
    assert Decimal(off_by_a_hair("37.5")) - Decimal("37.5") == Decimal("1E-18")
    assert Decimal(off_by_a_hair("100")) - Decimal("100") == Decimal("1E-18")
