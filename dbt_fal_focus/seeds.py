"""Checks of seed files, which spreadsheets change: encoding, separator, quotes, columns and numbers."""

import codecs
import csv
import io
import re
from collections.abc import Collection, Iterator, Mapping
from datetime import date
from pathlib import Path

import yaml

NUMBER = re.compile(r"-?([0-9]+)(?:[.]([0-9]+))?")
DECIMAL = re.compile(r"decimal\(([0-9]+),([0-9]+)\)")


def check_seeds(folder: Path) -> None:
    """Raise ValueError, one line with file, row and column, for the first mistake in a folder of seeds.

    The .yml files of the folder contain the columns of a seed with their types (column_types), and the
    columns that a file may lack (optional_columns in meta).
    """
    configs = {}
    for file in sorted(folder.glob("*.yml")):
        for seed in (yaml.safe_load(file.read_text(encoding="utf-8")) or {}).get("seeds", []):
            configs[seed["name"]] = seed.get("config", {})
    for file in sorted(folder.glob("*.csv")):
        config = configs.get(file.stem, {})
        optional = config.get("meta", {}).get("optional_columns", ())
        check_seed(f"{folder.name}/{file.name}", file.read_bytes(), config.get("column_types", {}), optional)


def check_seed(name: str, content: bytes, types: Mapping[str, str], optional: Collection[str] = ()) -> None:
    """Raise ValueError for the first mistake in a seed. name: the name of the file in errors.

    types: type by column; if empty, the header is not checked. optional: columns that the file may lack.
    """
    rows = read_rows(name, decode(name, content))
    _, header = next(rows, (1, []))
    check_header(name, header, types, optional)
    for number, row in rows:
        if row and len(row) != len(header):
            counts = f"it has {format_fields(row)} where the header has {format_fields(header)}"
            raise ValueError(
                f"{name}, row {number}: {counts};"
                " add the missing comma, or put a text that contains a comma in double quotes"
            )
        for column, value in zip(header, row, strict=False):
            mistake = value and find_mistake(value, types.get(column, "string"))
            if mistake:
                raise ValueError(f"{name}, row {number}, column {column}: {value!r} {mistake}")


def decode(name: str, content: bytes) -> str:
    """Return the text of a file without byte order mark. Raises ValueError unless it is UTF-8."""
    content = content.removeprefix(codecs.BOM_UTF8)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        *rows, line = content[: error.start].decode().split("\n")
        column = find_column(next(csv.reader(rows), []), next(csv.reader([line]), []) or [""])
        raise ValueError(
            f"{name}, row {len(rows) + 1}, column {column}: byte 0x{content[error.start]:02x} is not UTF-8;"
            ' save the file as "CSV UTF-8"'
        ) from None


def read_rows(name: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """Yield the number, from 1, and the cells of each row. A row is one line. Raises ValueError."""
    header: list[str] = []
    for number, line in enumerate(io.StringIO(text, newline=None), start=1):
        line = line.rstrip("\n")
        try:
            row = next(csv.reader([line], strict=True), [])
        except csv.Error:
            column = find_column(header, next(csv.reader([line])))
            raise ValueError(
                f"{name}, row {number}, column {column}: a double quote is not closed, or text follows it;"
                " a cell cannot contain a line break, and a quote within quotes is written twice"
            ) from None
        header = header or row
        yield number, row


def find_column(header: list[str], row: list[str]) -> str | int:
    """Return the column of the last cell of a row: its name, or its number from 1 without a name."""
    return header[len(row) - 1] if 0 < len(row) <= len(header) else len(row)


def check_header(name: str, header: list[str], types: Mapping[str, str], optional: Collection[str]) -> None:
    """Raise ValueError if the columns are not those of the types, in any order. Some may be optional."""
    separators = [s for s in (";", "\t", "|") if len(header) == 1 and s in header[0]]
    if separators:
        raise ValueError(f"{name}, row 1: the separator is {separators[0]!r}; save the file with commas")
    missing = [column for column in types if column not in header and column not in optional]
    surplus = [column for n, column in enumerate(header) if column in header[:n] or column not in types]
    if types and (missing or surplus):
        found = [f"column {column} is missing" for column in missing]
        found += [f"column {column!r} does not belong there" for column in surplus]
        raise ValueError(f"{name}, row 1: {', '.join(found)}; the columns are {', '.join(types)}")


def find_mistake(value: str, column_type: str) -> str | None:
    """Return why a value does not fit a type of seeds.yml exactly; None if it does."""
    if column_type == "boolean":
        return None if value.lower() in ("true", "false") else "is neither true nor false"
    if column_type == "date":
        return None if is_date(value) else "is not a date like 2026-01-31"
    decimal = DECIMAL.fullmatch(column_type)
    if not decimal and column_type != "integer":
        return None
    precision, scale = map(int, decimal.groups()) if decimal else (9, 0)
    number = NUMBER.fullmatch(value)
    if not number:
        return "is not a number like 1234.56" if scale else "is not a whole number"
    if len(number[1].lstrip("0")) > precision - scale or len((number[2] or "").rstrip("0")) > scale:
        return f"has more than {precision - scale} digits before the point or {scale} after it"
    return None


def is_date(value: str) -> bool:
    """Return whether a value is a date of the calendar, written as YYYY-MM-DD."""
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def format_fields(row: list[str]) -> str:
    """Format the number of fields of a row."""
    return "1 field" if len(row) == 1 else f"{len(row)} fields"
