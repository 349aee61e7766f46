"""Read seeds/focus_rules, and compile the SQL of its rules."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.end_to_end.conftest import ROOT, move_warehouse, run
from tests.end_to_end.dbt_processes import DBT, parsed_settings

# x_RowId is added for the test, because a bad commitment can lack its id or repeat it
ROW_IDS = {"charges": "x_ChargeId", "commitments": "x_RowId"}
PROVIDER_ROW = "x_ChargeSource in ('invoice', 'estimate')"


@dataclass(frozen=True)
class Rule:
    """A row of seeds/focus_rules; an empty text for null."""

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
        return self.rule_id.lower().replace("-", "_")

    @property
    def scans(self) -> list[str]:
        """Scans that check the rule."""
        return self.scan.split("|") if self.scan else []


def read_seed(name: str) -> list[dict[str, str]]:
    """Read the rows of a seed."""
    with (ROOT / "seeds" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def read_columns(focus_version: str = "1.3") -> list[dict[str, str]]:
    """Read the columns of a version of FOCUS."""
    return [row for row in read_seed("focus_columns") if row["focus_version"] == focus_version]


def read_rules() -> list[Rule]:
    """Read all rules, in the order of the seed."""
    return [Rule(**row) for row in read_seed("focus_rules")]


@dataclass(frozen=True)
class Compiled:
    """A warehouse with empty marts, and the SQL of the scans."""

    warehouse: Path
    verdicts: dict[str, str]
    columns: str


def _verdicts(name: str, scan: str, dataset: str, mart: str, shapes: Iterable[str]) -> str:
    """Write a template for the verdicts of a scan, after a line with its name."""
    relation = "commitments" if scan == "commitments" else "charges"
    elements = f"with {{{{ focus_elements('{relation}') }}}}" if scan == "elements" else ""
    source = "elements" if scan == "elements" else relation
    row_id = ROW_IDS[relation]
    provider = "false" if scan == "commitments" else PROVIDER_ROW
    return (
        f"-- sql of {name}\n{elements}\n"
        f"{{% set rules = focus_rules_in_scan('{scan}', '{dataset}', {list(shapes)}) %}}"
        f"{{{{ focus_rule_verdicts(rules, {mart}, '{source}', '{row_id}', \"{provider}\") }}}}\n"
    )


def compile_rules(folder: Path, typed: list[str]) -> Compiled:
    """Build the marts of an empty landing zone, and compile the verdicts of each scan.

    typed: shapes that check only the type of a column. They are compiled again for marts without numbers
    and times.
    """
    warehouse = folder / "warehouse.duckdb"
    dbt = [DBT, "--no-use-colors", "--log-path", str(folder)]
    landing = folder / "landing"
    landing.mkdir()
    settings = {"FAL_LANDING_DIR": landing} | parsed_settings()
    target = ["--target-path", str(folder / "target")]
    built = run(
        [
            *dbt,
            "build",
            *target,
            "--select",
            "+conformance_report",
            "--exclude-resource-type",
            "unit_test",
            "test",
        ],
        **settings,
    )
    assert built.code == 0, built.output
    shapes = sorted({rule.shape for rule in read_rules() if rule.scan})
    charges, commitments = "ref('cost_and_usage')", "ref('contract_commitment')"
    templates = [
        _verdicts("charges", "charges", "CostAndUsage", charges, shapes),
        _verdicts("elements", "elements", "CostAndUsage", charges, shapes),
        _verdicts("commitments", "commitments", "ContractCommitment", commitments, shapes),
        # focus_rules has only text columns and replaces the mart
        _verdicts("untyped charges", "charges", "CostAndUsage", "ref('focus_rules')", typed),
        _verdicts("untyped commitments", "commitments", "ContractCommitment", "ref('focus_rules')", typed),
    ]
    seeds = "".join(
        f"-- depends_on: {{{{ ref('{name}') }}}}\n"
        for name in ("focus_rules", "focus_columns", "focus_service_subcategories")
    )
    compiled = run([*dbt, "--quiet", "compile", *target, "--inline", seeds + "".join(templates)], **settings)
    assert compiled.code == 0, compiled.output
    move_warehouse(settings["FAL_WAREHOUSE"], warehouse)
    parts = compiled.output.split("-- sql of ")[1:]
    verdicts = dict(part.split("\n", 1) for part in parts)
    columns = (folder / "target/compiled/fal_focus/models/conformance/conformance_of_columns.sql").read_text()
    return Compiled(warehouse, verdicts, columns)
