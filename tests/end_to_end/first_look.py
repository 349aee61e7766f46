"""Draw docs/first_look.svg, the picture in README.md: `python -m tests.end_to_end.first_look`.

It shows the output of `make run`.
"""

import io
import re
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from tests.end_to_end.conftest import ROOT, copy_project, run

PICTURE = ROOT / "docs" / "first_look.svg"
# rich's own format loads a font from the network
SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<!-- drawn from the output of `make run`: python -m tests.end_to_end.first_look -->
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


def make_run(folder: Path) -> str:
    """Return the output of `make run` in a fresh copy of the project with installed dependencies."""
    copy_project(folder / "project")
    venv = Path(sys.executable).parent.parent
    installed = f"{venv}/.installed"
    done = run(
        ["make", "--no-print-directory", "run", f"VENV={venv}", f"--old-file={installed}"],
        cwd=folder / "project",
    )
    assert done.code == 0, done.output
    return done.output


def select_sections(output: str) -> list[str]:
    """Return the paragraphs of the output. Of the long table of models, only the title remains."""
    return [
        f"{section.splitlines()[0]}\n..." if section.startswith("USAGE BY MONTH AND MODEL") else section
        for section in output.strip().split("\n\n")
    ]


def draw(output: str) -> str:
    """Draw a terminal with the output, as SVG."""
    text = "$ make run\n" + "\n\n".join(select_sections(output))
    width = max(map(len, text.splitlines()))
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True)
    # rich's clip cuts the descenders of the last line, so the last line is blank
    for line in [*text.splitlines(), ""]:
        console.print(Text(line, style="bold" if re.fullmatch(r"\$ .*|[A-Z, ]+", line) else ""))
    return console.export_svg(title="", code_format=SVG, unique_id="first-look")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as temporary:
        PICTURE.write_text(draw(make_run(Path(temporary))), encoding="utf-8")
