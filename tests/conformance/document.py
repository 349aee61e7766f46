"""Write the tables of CONFORMANCE.md and docs/conformance from seeds/focus_rules.

`python -m tests.conformance.document` also builds the sample and writes its score. A test fails if a document
is out of date.
"""

import csv
import io
import tempfile
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from tests.conformance.rules import Rule, read_rules, read_seed
from tests.end_to_end.conftest import ROOT, Command, run

DOCUMENT = ROOT / "CONFORMANCE.md"
VERSIONS = ("1.3", "1.4")
SCANNED = {
    "charges": "rows of cost_and_usage",
    "commitments": "rows of contract_commitment",
    "billing_periods": "rows of billing_period",
    "invoice_details": "rows of invoice_detail",
    "elements": "items of lists in JSON columns of cost_and_usage",
    "scopes": "inclusions and exclusions of contract_commitment",
    "columns": "columns of the marts",
}


def table(header: list[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a Markdown table."""
    lines = [
        header,
        ["---"] * len(header),
        *([str(cell).replace("|", "\\|") for cell in row] for row in rows),
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def csv_table(header: list[str], rows: Iterable[Iterable[object]]) -> str:
    """Return a table as CSV."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([header, *rows])
    return text.getvalue()


def how_checked(rule: Rule, shapes: dict[str, str]) -> str:
    """Describe the check of a rule, as conformance_report does."""
    return (
        shapes[rule.shape]
        + (f" ({rule.arguments})" if rule.arguments else "")
        + (f", where {rule.applies_when}" if rule.applies_when else "")
    )


def strength(rule: Rule) -> str:
    """Map a keyword to MUST, SHOULD or MAY."""
    return "MUST" if rule.keyword.startswith("MUST") else "MAY" if rule.keyword == "MAY" else "SHOULD"


def versions(rules: list[Rule]) -> str:
    """Return a table of the answers to the rules of each version."""
    answers = ("checked", "met", "does not arise", "provider", "not met", "permission", "inactive")
    rows = []
    for version in VERSIONS:
        of_version = [rule for rule in rules if rule.focus_version == version]
        found = Counter(rule.answer for rule in of_version)
        rows.append([version, len(of_version), found["parts"], *(found[answer] for answer in answers)])
    return table(["FOCUS", "rules", "composite", *answers], rows)


def counts(rules: list[Rule]) -> str:
    """Return a table of the rules of 1.3 by keyword and type, and of how many are checked on data."""
    rules = [rule for rule in rules if rule.focus_version == "1.3"]
    single = [rule for rule in rules if rule.shape != "all_of"]
    kinds = [(s, t) for s in ("MUST", "SHOULD", "MAY") for t in ("Static", "Dynamic")]
    rows = []
    for keyword, rule_type in kinds:
        of_kind = [rule for rule in single if (strength(rule), rule.rule_type) == (keyword, rule_type)]
        answers = Counter(rule.answer for rule in of_kind)
        answered = sum(answers[answer] for answer in ("met", "not met", "does not arise", "provider"))
        rows.append(
            [
                keyword,
                rule_type.lower(),
                len(of_kind),
                answers["checked"],
                answered,
                answers["permission"],
                answers["inactive"],
            ]
        )
    rows.append(["composite", "static", len(rules) - len(single), "by their parts", "", "", ""])
    rows.append(["all", "", len(rules), sum(row[3] for row in rows[:-1]), sum(row[4] for row in rows[:-1])])
    rows[-1] += [sum(row[5] for row in rows[:-2]), sum(row[6] for row in rows[:-2])]
    header = ["rules", "type", "all", "checked", "answered below", "permissions", "removed from the standard"]
    return table(header, rows)


def scans(rules: list[Rule]) -> str:
    """Count the rules of each scan by version."""
    found = Counter((rule.focus_version, scan) for rule in rules for scan in rule.scans)
    rows = ((SCANNED[scan], *(found[version, scan] for version in VERSIONS)) for scan in SCANNED)
    return table(["one pass over", *(f"checks rules of {version}" for version in VERSIONS)], rows)


def deviations(rules: list[Rule]) -> str:
    """Return the rules whose machine-readable form differs from their text."""
    return csv_table(
        ["rule", "sentence", "encoding"],
        ((rule.rule_id, rule.text, rule.deviation) for rule in rules if rule.deviation),
    )


def not_met(rules: list[Rule]) -> str:
    """List the rules that are not met. A rule of both versions is one row."""
    found: dict[tuple[str, ...], list[str]] = {}
    for rule in rules:
        if rule.answer == "not met":
            row = (f"`{rule.rule_id}`", rule.keyword, rule.text, rule.why)
            found.setdefault(row, []).append(rule.focus_version)
    rows = ((", ".join(of_versions), *row) for row, of_versions in found.items())
    return table(["FOCUS", "rule", "keyword", "requirement", "reason"], rows)


def dynamic(rules: list[Rule]) -> str:
    """List the answer to each rule that the requirements model calls dynamic."""
    shapes = {row["shape"]: row["how_checked"] for row in read_seed("focus_rule_shapes")}

    def answer(rule: Rule) -> str:
        if rule.answer == "checked":
            return f"checked: {how_checked(rule, shapes)}" + (f"; {rule.why}" if rule.why else "")
        return f"{rule.answer}: {rule.why}" if rule.why else rule.answer

    return csv_table(
        ["rule", "keyword", "requirement", "answer"],
        (
            (rule.rule_id, rule.keyword, rule.text, answer(rule))
            for rule in rules
            if rule.rule_type == "Dynamic" and rule.focus_version == "1.3"
        ),
    )


def rules_of_1_4(rules: list[Rule]) -> str:
    """List the rules of 1.4, with the check or the answer."""
    shapes = {row["shape"]: row["how_checked"] for row in read_seed("focus_rule_shapes")}
    return csv_table(
        ["rule", "dataset", "column", "keyword", "requirement", "answer", "check or reason"],
        (
            (
                rule.rule_id,
                rule.dataset,
                rule.column_id,
                rule.keyword,
                rule.text,
                rule.answer,
                how_checked(rule, shapes) if rule.answer == "checked" else rule.why,
            )
            for rule in rules
            if rule.focus_version == "1.4" and rule.shape != "all_of"
        ),
    )


def run_score(warehouse: Path, **settings: object) -> Command:
    """Run make conformance into a warehouse, for the sample unless settings name a landing zone."""
    return run(["make", "-s", "conformance"], FAL_WAREHOUSE=warehouse, **settings)


def score(command: Command) -> str:
    """Quote the output of make conformance."""
    return f"```\n{command.output.strip()}\n```"


def place(text: str, name: str, block: str) -> str:
    """Replace the block between the markers of a name."""
    begin, end = f"<!-- {name} -->\n", f"\n<!-- end of {name} -->"
    before, found, rest = text.partition(begin)
    assert found, f"no markers for {name}"
    return before + begin + block + end + rest.partition(end[1:])[2]


TABLES = {DOCUMENT: (versions, not_met), ROOT / "docs/conformance/README.md": (counts, scans)}
CSV_FILES = {
    ROOT / "docs/conformance/rules_1_4.csv": rules_of_1_4,
    ROOT / "docs/conformance/dynamic_rules.csv": dynamic,
    ROOT / "docs/conformance/encoding.csv": deviations,
}
DOCUMENTS = (*TABLES, *CSV_FILES)


def document(path: Path) -> str:
    """Return a document made of the seed."""
    if path in CSV_FILES:
        return CSV_FILES[path](read_rules())
    text = path.read_text()
    for make in TABLES[path]:
        text = place(text, make.__name__, make(read_rules()))
    return text


def main() -> None:
    """Write all documents."""
    with tempfile.TemporaryDirectory() as folder:
        command = run_score(Path(folder) / "warehouse.duckdb")
    for path in DOCUMENTS:
        path.write_text(document(path))
    DOCUMENT.write_text(place(DOCUMENT.read_text(), "score", score(command)))


if __name__ == "__main__":
    main()
