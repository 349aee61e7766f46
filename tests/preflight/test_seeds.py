"""A mistake of a spreadsheet in a seed is reported as one line with file, row and column."""

import pytest

from dbt_fal_focus.seeds import check_seed, check_seeds
from tests.end_to_end.conftest import ROOT

TYPES = {
    "account": "string",
    "cost": "decimal(38,18)",
    "quantity": "decimal(38,9)",
    "active": "boolean",
    "valid_from": "date",
}
OPTIONAL = ["valid_from"]
COLUMNS = "account, cost, quantity, active, valid_from"
HEADER = "account,cost,quantity,active\n"


def mistake(content: str | bytes) -> str | None:
    """Check a seed; return its error, or None."""
    try:
        content = content if isinstance(content, bytes) else content.encode()
        check_seed("seeds/s.csv", content, TYPES, OPTIONAL)
    except ValueError as error:
        return str(error)
    return None


def test_the_seeds_of_the_project_have_no_mistakes() -> None:
    check_seeds(ROOT / "seeds")


@pytest.mark.parametrize(
    "content",
    [
        HEADER + "acme,1.5,,true\n",
        HEADER.replace("\n", "\r\n") + "acme,1.5,,TRUE\r\n",
        b"\xef\xbb\xbf" + HEADER.encode() + "Ünïted,-25000,0.123456789,false".encode(),
        'cost,active,account,quantity\n1,true,"a, ""b""",0.1000000000000\n\n,,,\n',
        HEADER,
        "account,cost,quantity,active,valid_from\nacme,1.5,,true,2024-02-29\nacme,1.5,,true,\n",
    ],
    ids=[
        "plain",
        "carriage returns",
        "byte order mark",
        "another order, quotes, blank rows",
        "no rows",
        "an optional column",
    ],
)
def test_a_valid_seed_passes_in_any_csv_format(content: str | bytes) -> None:
    assert mistake(content) is None


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (HEADER.replace(",", ";") + "a;1;1;true\n", "row 1: the separator is ';'; save the file with commas"),
        (HEADER.replace(",", "\t"), "row 1: the separator is '\\t'; save the file with commas"),
        (
            HEADER.encode() + "acme,1,1,true\nAnd\xe9,2,2,true\n".encode("latin-1"),
            'row 3, column account: byte 0xe9 is not UTF-8; save the file as "CSV UTF-8"',
        ),
        (
            b"\xef\xbb\xbf" + HEADER.encode() + "acme,1,1,true\nAnd\xe9,2,2,true\n".encode("latin-1"),
            'row 3, column account: byte 0xe9 is not UTF-8; save the file as "CSV UTF-8"',
        ),
        (
            HEADER.encode("utf-16"),
            'row 1, column 1: byte 0xff is not UTF-8; save the file as "CSV UTF-8"',
        ),
        (
            HEADER + "acme,1,1,true\nacme 2,1,true\n",
            "row 3: it has 3 fields where the header has 4 fields; add the missing comma,"
            " or put a text that contains a comma in double quotes",
        ),
        (
            HEADER + "Acme, Inc,1,1,true\n",
            "row 2: it has 5 fields where the header has 4 fields; add the missing comma,"
            " or put a text that contains a comma in double quotes",
        ),
        (
            HEADER + 'acme,1,1,true\n"acme,1,1,true\nb,1,1,true\n"c",1,1,true\n',
            "row 3, column account: a double quote is not closed, or text follows it;"
            " a cell cannot contain a line break, and a quote within quotes is written twice",
        ),
        (
            HEADER + 'acme,1,1,"true',
            "row 2, column active: a double quote is not closed, or text follows it;"
            " a cell cannot contain a line break, and a quote within quotes is written twice",
        ),
        (HEADER + "acme,abc,1,true\n", "row 2, column cost: 'abc' is not a number like 1234.56"),
        (HEADER + 'acme,"25,000",1,true\n', "row 2, column cost: '25,000' is not a number like 1234.56"),
        (
            HEADER + "acme,1,0.1234567891,true\n",
            "row 2, column quantity: '0.1234567891' has more than 29 digits before the point or 9 after it",
        ),
        (
            "valid_from," + HEADER + "2026-02-29,acme,1,1,true\n",
            "row 2, column valid_from: '2026-02-29' is not a date like 2026-01-31",
        ),
        (
            "valid_from," + HEADER + "1/31/2026,acme,1,1,true\n",
            "row 2, column valid_from: '1/31/2026' is not a date like 2026-01-31",
        ),
        (HEADER + "acme,1,1,yes\n", "row 2, column active: 'yes' is neither true nor false"),
        (
            "account,cost,quantity\n",
            f"row 1: column active is missing; the columns are {COLUMNS}",
        ),
        (
            "account,cost,quantity,active,cost\n",
            f"row 1: column 'cost' does not belong there; the columns are {COLUMNS}",
        ),
        (
            "",
            "row 1: column account is missing, column cost is missing, column quantity is missing,"
            f" column active is missing; the columns are {COLUMNS}",
        ),
    ],
)
def test_a_mistake_is_reported_with_row_and_column(content: str | bytes, says: str) -> None:
    assert mistake(content) == f"seeds/s.csv, {says}"
