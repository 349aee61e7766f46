"""The documents: their links resolve, and docs/settings.md lists the settings that the code reads."""

import ast
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
VARIABLE = re.compile(r"(?:FAL|FOCUS_API)_[A-Z_]+|DBT_TARGET")
PACKAGES = ("loaders", "api", "publishing", "dbt_fal_focus", "report")
FOLDERS = ("macros", "models", "seeds", "tests/generic", "tests/integrity")
PATTERNS = ("*.md", "docs/**/*.md", "benchmarks/*.md", "models/**/*.md", "sample/*.md")
DOCUMENTS = sorted(str(path.relative_to(ROOT)) for pattern in PATTERNS for path in ROOT.glob(pattern))


def remove_code(text: str) -> str:
    """Remove fenced blocks and code spans from Markdown."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def list_anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    slugs: list[str] = []
    for heading in re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        slugs.append(f"{slug}-{slugs.count(slug)}" if slug in slugs else slug)
    return set(slugs)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_resolve_within_the_repository(document: str) -> None:
    path = ROOT / document
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", remove_code(path.read_text())):
        file, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = (path.parent / file).resolve() if file else path
        is_ours = target.is_relative_to(ROOT) and target.exists()
        if not is_ours or (anchor and anchor not in list_anchors(target)):
            broken.append(link)
    assert broken == []


def list_first_cells(text: str) -> set[str]:
    """Return the names in code spans at the beginning of table rows."""
    return set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))


def list_variables() -> set[str]:
    """Return the environment variables that Python, dbt and its profile read."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    constants = {
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    jinja = "".join(path.read_text() for path in list_dbt_files())
    return set(filter(VARIABLE.fullmatch, constants)) | set(re.findall(r"env_var\('(\w+)'", jinja))


def list_dbt_files() -> list[Path]:
    """Return the files in which dbt evaluates Jinja."""
    files = [ROOT / "profiles.yml", ROOT / "dbt_project.yml"]
    return files + [
        path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".sql", ".yml")
    ]


def test_settings_md_lists_each_variable_that_the_code_reads_and_no_other() -> None:
    listed = {name for name in list_first_cells(SETTINGS) if VARIABLE.fullmatch(name)}
    assert listed == list_variables()


def test_settings_md_lists_each_dbt_variable_with_its_default() -> None:
    used = {
        name for path in list_dbt_files() for name in re.findall(r"(?<![\w])var\('(\w+)'", path.read_text())
    }
    defaults = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    assert {name for name in list_first_cells(SETTINGS) if name.startswith("fal_")} == used | set(defaults)
    written = dict(re.findall(r"^\| `(fal_\w+)` \| `?(.+?)`? \|", SETTINGS, flags=re.MULTILINE))
    assert written == {name: str(defaults.get(name, "none")).lower() for name in written}
