"""The documents: their links resolve, and docs/settings.md lists the settings that the code reads."""

import ast
import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
SETTINGS = (ROOT / "docs" / "settings.md").read_text()
VARIABLE = re.compile(r"(?:FAL|FOCUS_API)_[A-Z_]+")
PACKAGES = ("loaders", "api", "publishing", "dbt_fal_focus")
FOLDERS = ("macros", "models", "seeds", "tests/generic", "tests/integrity")


def list_documents() -> list[str]:
    """The Markdown files of the repository, or of a copy without git."""
    listing = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listing.returncode:
        return sorted(
            str(path.relative_to(ROOT)) for path in ROOT.rglob("[!.]*.md") if ".venv" not in path.parts
        )
    return [name for name in listing.stdout.splitlines() if (ROOT / name).exists()]


DOCUMENTS = list_documents()


def without_code(text: str) -> str:
    """A Markdown text without fenced blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE))


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    slugs: list[str] = []
    for heading in re.findall(r"^#+ +(.+?) *$", text, flags=re.MULTILINE):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        slugs.append(f"{slug}-{slugs.count(slug)}" if slug in slugs else slug)
    return set(slugs)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_relative_links_and_anchors_resolve(document: str) -> None:
    path = ROOT / document
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", without_code(path.read_text())):
        file, _, anchor = link.partition("#")
        if re.match(r"\w+:", link):
            continue
        target = path.parent / file if file else path
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_a_document_needs_nothing_outside_the_repository(document: str) -> None:
    text = (ROOT / document).read_text()
    outside = [
        link
        for link in re.findall(r"\]\((\.\./[^)\s#]+)", without_code(text))
        if not (ROOT / document).parent.joinpath(link).resolve().is_relative_to(ROOT)
    ]
    assert outside == []


def first_cells(text: str) -> set[str]:
    """The names in code spans at the beginning of table rows."""
    return set(re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE))


def read_variables() -> set[str]:
    """The environment variables that Python, dbt and its profile read."""
    files = [file for package in PACKAGES for file in (ROOT / package).rglob("*.py")]
    constants = {
        node.value
        for file in files
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    jinja = "".join(path.read_text() for path in dbt_files())
    return set(filter(VARIABLE.fullmatch, constants)) | set(re.findall(r"env_var\('(\w+)'", jinja))


def dbt_files() -> list[Path]:
    """The files in which dbt evaluates Jinja."""
    files = [ROOT / "profiles.yml", ROOT / "dbt_project.yml"]
    return files + [
        path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in (".sql", ".yml")
    ]


def test_settings_md_lists_each_variable_that_the_code_reads_and_no_other() -> None:
    listed = {name for name in first_cells(SETTINGS) if VARIABLE.fullmatch(name)}
    assert listed == read_variables()


def test_settings_md_lists_each_dbt_variable_with_its_default() -> None:
    used = {name for path in dbt_files() for name in re.findall(r"(?<![\w])var\('(\w+)'", path.read_text())}
    defaults = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
    assert {name for name in first_cells(SETTINGS) if name.startswith("fal_")} == used | set(defaults)
    written = dict(re.findall(r"^\| `(fal_\w+)` \| `?(.+?)`? \|", SETTINGS, flags=re.MULTILINE))
    assert written == {
        name: str(defaults.get(name, "none")).lower() if name != "fal_focus_version" else defaults[name]
        for name in written
    }
