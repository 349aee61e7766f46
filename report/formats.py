"""Formats a digest: text for a terminal, Markdown for a chat or a pull request, JSON for programs."""

import re
from collections.abc import Callable

import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from report.digest import Digest
from report.page import Level, Line, Page, Section, make_page

WIDTH = 110
ACCOUNT_WIDTH = 16
NAME_WIDTH = 9  # of a section
STYLES: dict[Level, str] = {"": "", "good": "green", "warn": "yellow", "bad": "red", "known": "dim"}
# what Markdown or HTML would interpret
MARKUP = re.compile(r"([\\`*_\[\]<>#|~&])")


def format_text(digest: Digest) -> str:
    """Format the page for standard output: with colours on a terminal, unless NO_COLOR is set."""
    page = make_page(digest)
    # wide enough for any amount, which must not be cut
    console = Console(width=2 * WIDTH, highlight=False)
    with console.capture() as capture:
        console.print(Text(escape(page.title), style="bold"), end="\n\n")
        if page.rows:
            console.print(build_table(page))
            console.print()
        for section in page.sections:
            console.print(build_section(section), width=WIDTH)
    return "".join(f"{line.rstrip()}\n" for line in capture.get().splitlines())


def build_table(page: Page) -> Table:
    """Build the table of accounts, with numbers to the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    table.add_column(page.header[0], max_width=ACCOUNT_WIDTH, no_wrap=True, overflow="ellipsis")
    for name in page.header[1:]:
        table.add_column(name, justify="right", no_wrap=True)
    for row in page.rows:
        table.add_row(*(Text(escape(cell)) for cell in row))
    return table


def build_section(section: Section) -> Table:
    """Build the lines of a section, whose name is in a column of its own. A text that is too long is cut."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="bold", width=NAME_WIDTH)
    for column in range(max(len(line.cells) for line in section.lines)):
        # rich narrows columns that wrap, and cuts their texts, which do not wrap
        table.add_column(no_wrap=column not in section.flexible)
    for number, line in enumerate(section.lines):
        cells = (Text(escape(cell), no_wrap=True, overflow="ellipsis") for cell in line.cells)
        table.add_row("" if number else section.name, *cells, style=STYLES[line.level])
    return table


def format_markdown(digest: Digest) -> str:
    """Format the page as Markdown: a table, and a list for each section."""
    page = make_page(digest)
    lines = [f"**{escape_markdown(page.title)}**"]
    if page.rows:
        rule = ("---", *["---:"] * (len(page.header) - 1))
        rows = [tuple(map(escape_markdown, row)) for row in page.rows]
        lines += ["", *(f"| {' | '.join(cells)} |" for cells in (page.header, rule, *rows))]
    for section in page.sections:
        lines += ["", f"**{section.name}**", "", *(f"- {format_line(line)}" for line in section.lines)]
    return "\n".join(lines) + "\n"


def format_line(line: Line) -> str:
    """Format a line in Markdown, with its account in bold."""
    first, *others = (escape_markdown(cell) for cell in line.cells if cell)
    return f"**{first}** {', '.join(others)}" if others else first


def format_json(digest: Digest) -> str:
    """Format all of the digest as JSON. Amounts are exact numbers with all their digits."""
    encoded = msgspec.json.Encoder(decimal_format="number").encode(digest)
    return msgspec.json.format(encoded, indent=2).decode() + "\n"


def escape(text: str) -> str:
    """Replace characters that a terminal interprets, or that break a line, by question marks."""
    return "".join(character if character.isprintable() else "?" for character in text)


def escape_markdown(text: str) -> str:
    """Escape a text for Markdown, where names are no markup."""
    return MARKUP.sub(r"\\\1", escape(text))


FORMATS: dict[str, Callable[[Digest], str]] = {
    "text": format_text,
    "markdown": format_markdown,
    "json": format_json,
}
