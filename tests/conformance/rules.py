"""Read seeds/focus_rules, and compile the SQL of its rules."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.conftest import ROOT, move_warehouse, run
from tests.end_to_end.dbt_processes import DBT, parsed_settings

PROVIDER_ROW = "x_ChargeSource in ('invoice', 'estimate')"


@dataclass(frozen=True)
class Rule:
    """A row of seeds/focus_rules; an empty text for null."""

    focus_version: str
    rule_id: str
    dataset: str
    entity_type: str
    entity: str
    column_id: str
    rule_function: str
    keyword: str
    rule_type: str
    rule_status: str
    part_of: str
    text: str
    scan: str
    shape: str
    applies_when: str
    arguments: str
    answer: str
    why: str
    deviation: str

    @property
    def verdict(self) -> str:
        """Name of the column with the verdict."""
        return f"{self.rule_id}_{self.focus_version}".lower().replace("-", "_").replace(".", "_")

    @property
    def scans(self) -> list[str]:
        """Scans that check the rule."""
        return self.scan.split("|") if self.scan else []


def read_seed(name: str) -> list[dict[str, str]]:
    """Read the rows of a seed."""
    with (ROOT / "seeds" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_rules(focus_version: str | None = None) -> list[Rule]:
    """Read the rules of a version of FOCUS, or all, in the order of the seed."""
    rules = [Rule(**row) for row in read_seed("focus_rules")]
    return [rule for rule in rules if focus_version in (None, rule.focus_version)]


@dataclass(frozen=True)
class Relation:
    """A table of the tests, like a mart of a version of FOCUS.

    row_id: the column with the name of a row. x_RowId is added for the tests, because a bad row can lack or
    repeat its id.
    """

    table: str
    focus_version: str
    dataset: str
    model: str
    row_id: str = "x_RowId"

    @property
    def mart(self) -> str:
        """The mart in the warehouse."""
        schema = "focus" if self.focus_version == "1.3" else "focus_1_4"
        return f"{schema}.{self.model.removeprefix('focus_1_4__')}"


RELATIONS = {
    relation.table: relation
    for relation in (
        Relation("charges", "1.3", "CostAndUsage", "cost_and_usage", "x_ChargeId"),
        Relation("commitments", "1.3", "ContractCommitment", "contract_commitment"),
        Relation("charges_1_4", "1.4", "CostAndUsage", "focus_1_4__cost_and_usage", "x_ChargeId"),
        Relation("commitments_1_4", "1.4", "ContractCommitment", "focus_1_4__contract_commitment"),
        Relation("billing_periods_1_4", "1.4", "BillingPeriod", "focus_1_4__billing_period"),
        Relation("invoice_details_1_4", "1.4", "InvoiceDetail", "focus_1_4__invoice_detail"),
    )
}


def read_columns(relation: Relation) -> list[dict[str, str]]:
    """Read the FOCUS columns of a mart."""
    dataset = (relation.focus_version, relation.dataset)
    columns = read_seed("focus_columns")
    return [row for row in columns if (row["focus_version"], row["dataset"]) == dataset]


@dataclass(frozen=True)
class Scan:
    """A scan of a version of FOCUS over a table of the tests.

    ctes: Jinja of the CTEs that make its rows of the table, and source: the last of them.
    """

    scan: str
    relation: Relation
    source: str
    ctes: str = ""

    @property
    def name(self) -> str:
        """Version and scan."""
        return f"{self.relation.focus_version} {self.scan}"


def _scan(scan: str, table: str, source: str | None = None, ctes: str = "") -> Scan:
    return Scan(scan, RELATIONS[table], source or table, f"with {{{{ {ctes} }}}}" if ctes else "")


SCANS = {
    scan.name: scan
    for scan in (
        _scan("charges", "charges"),
        _scan("elements", "charges", "elements", "focus_elements('charges', 'elements', '1.3')"),
        _scan("commitments", "commitments"),
        _scan("charges", "charges_1_4"),
        _scan("elements", "charges_1_4", "elements", "focus_elements('charges_1_4', 'elements', '1.4')"),
        _scan("commitments", "commitments_1_4", "scoped", "focus_scoped_commitments('commitments_1_4')"),
        _scan("scopes", "commitments_1_4", "scopes", "focus_scopes('commitments_1_4', 'x_RowId')"),
        _scan("billing_periods", "billing_periods_1_4"),
        _scan(
            "invoice_details",
            "invoice_details_1_4",
            "compared",
            "focus_compared_lines('invoice_details_1_4', 'charges_1_4', 'billing_periods_1_4')",
        ),
    )
}


@dataclass(frozen=True)
class Compiled:
    """A warehouse with empty marts, and the SQL of the scans.

    verdicts: by the name of the scan. untyped: the same for marts without numbers and times, for the rules on
    the type of a column.
    """

    warehouse: Path
    verdicts: dict[str, str]
    untyped: dict[str, str]
    columns: str


def _verdicts(name: str, scan: Scan, model: str, shapes: Iterable[str]) -> str:
    """Write a template for the verdicts of a scan, after a line with its name."""
    relation = scan.relation
    provider = PROVIDER_ROW if relation.dataset == "CostAndUsage" else "false"
    of_scan = f"'{relation.focus_version}', '{scan.scan}', '{relation.dataset}', {list(shapes)}"
    of_rows = f"ref('{model}'), '{scan.source}', '{relation.row_id}', \"{provider}\""
    return (
        f"-- sql of {name}\n{scan.ctes}\n"
        f"{{% set rules = focus_rules_in_scan({of_scan}) %}}"
        f"{{{{ focus_rule_verdicts(rules, {of_rows}) }}}}\n"
    )


def _build(folder: Path, settings: dict[str, Path]) -> None:
    """Build the marts and the report of an empty landing zone."""
    (folder / "landing").mkdir()
    built = run(
        [
            *_dbt(folder),
            "build",
            *("--target-path", str(folder / "target"), "--select", "+conformance_report"),
            *("--exclude-resource-type", "unit_test", "test"),
        ],
        **settings,
    )
    assert built.code == 0, built.output


def _dbt(folder: Path) -> list[str]:
    return [DBT, "--no-use-colors", "--log-path", str(folder)]


def compile_rules(folder: Path, typed: list[str]) -> Compiled:
    """Build the marts of an empty landing zone, and compile the verdicts of each scan.

    typed: shapes that check only the type of a column.
    """
    warehouse = folder / "warehouse.duckdb"
    settings = {"FAL_LANDING_DIR": folder / "landing"} | parsed_settings()
    _build(folder, settings)
    shapes = sorted({rule.shape for rule in read_rules() if rule.scan})
    templates = [_verdicts(name, scan, scan.relation.model, shapes) for name, scan in SCANS.items()]
    # focus_rules has only text columns and replaces the mart
    templates += [
        _verdicts(f"untyped {name}", scan, "focus_rules", typed)
        for name, scan in SCANS.items()
        if any(rule.shape in typed for rule in rules_of(scan))
    ]
    models = [relation.model for relation in RELATIONS.values()]
    depends = "".join(
        f"-- depends_on: {{{{ ref('{name}') }}}}\n"
        for name in ("focus_rules", "focus_columns", "focus_service_subcategories", *models)
    )
    target = ["--target-path", str(folder / "target")]
    command = [*_dbt(folder), "--quiet", "compile", *target, "--inline", depends + "".join(templates)]
    compiled = run(command, **settings)
    assert compiled.code == 0, compiled.output
    move_warehouse(settings["FAL_WAREHOUSE"], warehouse)
    parts = compiled.output.split("-- sql of ")[1:]
    queries = dict(part.split("\n", 1) for part in parts)
    columns = (folder / "target/compiled/fal_focus/models/conformance/conformance_of_columns.sql").read_text()
    return Compiled(
        warehouse,
        {name: queries[name] for name in SCANS},
        {name: queries[f"untyped {name}"] for name in SCANS if f"untyped {name}" in queries},
        columns,
    )


def rules_of(scan: Scan) -> list[Rule]:
    """Return the rules that a scan checks."""
    return [rule for rule in read_rules(scan.relation.focus_version) if scan.scan in rule.scans]
