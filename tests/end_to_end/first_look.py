"""Write the output of `make run` into README.md: `python -m tests.end_to_end.first_look`."""

import re
import sys
import tempfile
from pathlib import Path

from tests.end_to_end.conftest import ROOT, copy_project, run

README = ROOT / "README.md"
BLOCK = re.compile(r"```\n(No FAL_KEY.*?)```\n", flags=re.DOTALL)


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


def first_table(output: str) -> str:
    """Return the output up to the end of the first table."""
    table_end = re.search(r"^\|.*\n(?!\|)", output, flags=re.MULTILINE)
    assert table_end, output
    return output[: table_end.end()]


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        block = first_table(make_run(Path(folder)))
    text = README.read_text(encoding="utf-8")
    README.write_text(BLOCK.sub(lambda _: f"```\n{block}```\n", text, count=1), encoding="utf-8")
