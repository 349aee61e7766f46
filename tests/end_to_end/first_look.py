"""Draw docs/first_look.svg, the picture in docs/report.md: `python -m tests.end_to_end.first_look`.

It shows the digest, with which `make run` ends, on the day after the last one of the sample.
"""

import io
import os
import sys
import tempfile
from datetime import date
from pathlib import Path
from unittest.mock import patch

from rich.console import Console
from rich.text import Text

from publishing.database import DATABASE
from report.digest import read_digest
from report.formats import format_text
from report.publication import open_publication
from tests.end_to_end.conftest import ROOT, copy_project, run

PICTURE = ROOT / "docs" / "first_look.svg"
TODAY = date(2026, 10, 14)
COLOURS = {"FORCE_COLOR": "1", "NO_COLOR": "", "COLORTERM": "", "TERM": "xterm-256color"}
# rich's own format loads a font from the network
SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<!-- drawn from the digest of the sample: python -m tests.end_to_end.first_look -->
<style>
.{unique_id}-matrix {{ font-family: ui-monospace, Menlo, Consolas, monospace; font-size: {char_height}px; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def run_make(target: str, folder: Path) -> str:
    """Return the output of make in a copy of the project with installed dependencies."""
    venv = Path(sys.executable).parent.parent
    installed = (f"--old-file={venv}/{name}" for name in (".installed", ".installed-report"))
    done = run(
        ["make", "--no-print-directory", target, f"VENV={venv}", *installed],
        cwd=folder / "project",
    )
    assert done.code == 0, done.output
    return done.output


def make_run(folder: Path) -> str:
    """Return the output of `make run` in a fresh copy of the project with installed dependencies."""
    copy_project(folder / "project")
    return run_make("run", folder)


def read_page(folder: Path) -> str:
    """Return the digest of the copy of the project, with the colours of a terminal."""
    database = folder / "project" / "published" / DATABASE
    with open_publication(database) as connection, patch.dict(os.environ, COLOURS):
        return format_text(read_digest(connection, (), TODAY))


def draw(page: str) -> str:
    """Draw a terminal with the digest, as SVG."""
    lines = [Text("$ make run", style="bold"), *Text.from_ansi(page).split()]
    console = Console(record=True, width=max(map(len, lines)), file=io.StringIO(), force_terminal=True)
    # rich's clip cuts the descenders of the last line, so the last line is blank
    for line in [*lines, Text()]:
        console.print(line)
    return console.export_svg(title="", code_format=SVG, unique_id="first-look")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        make_run(Path(temporary))
        PICTURE.write_text(draw(read_page(Path(temporary))), encoding="utf-8")
