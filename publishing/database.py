"""Writes the database of a publication, and the Parquet files of its marts."""

import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from publishing.changes import (
    PUBLICATION,
    PUBLISHED_MARTS,
    STORAGE_VERSION,
    Definitions,
    Description,
    Previous,
    Publication,
)
from publishing.requests import quote

DATABASE = "fal_focus.duckdb"
NEW = "fal_publication"

DESCRIPTIONS = {
    PUBLICATION: Description(
        "One row: which publication this is.",
        {
            "publication_id": "Id of the build that published it.",
            "published_at": "When it was published, UTC.",
        },
    ),
    PUBLISHED_MARTS: Description(
        "One row per mart or view: the publication in which its rows or its SQL changed last.",
        {
            "mart": "Schema and name.",
            "publication_id": "Id of the build that published it; the Parquet file of a mart has it as well.",
            "published_at": "When it was published, UTC.",
            "definition_hash": "A hash of its description and of the SQL of a view.",
        },
    ),
}


def write_database(
    cursor: duckdb.DuckDBPyConnection,
    file: Path,
    previous: Previous | None,
    definitions: Definitions,
    publication: Publication,
    writers: Mapping[str, Publication],
) -> None:
    """Write a database: a copy of the previous one with the rows that differ, or all rows.

    writers: the publication that wrote each mart and view.
    """
    if previous:
        shutil.copyfile(previous.file, file)
    with attach(cursor, file):
        for schema in sorted({name.partition(".")[0] for name in (*definitions.names, PUBLICATION)}):
            cursor.execute(f"create schema if not exists {NEW}.{schema}")
        differing = previous.differing if previous else dict.fromkeys(definitions.marts)
        for name, months in differing.items():
            write_mart(cursor, definitions, name, months)
        for view, sql in definitions.views.items():
            cursor.execute(f"create or replace view {NEW}.{view} as {sql}")
        write_publication(cursor, publication, definitions, writers)
        # in one transaction, which waits for the disk once
        cursor.execute("begin")
        for name, description in {**definitions.descriptions, **DESCRIPTIONS}.items():
            kind = "view" if name in definitions.views else "table"
            cursor.execute(build_comments(kind, name, description))
        cursor.execute("commit")
        cursor.execute(f"checkpoint {NEW}")


@contextmanager
def attach(cursor: duckdb.DuckDBPyConnection, file: Path) -> Iterator[None]:
    """Attach a database, which is made if it is missing."""
    cursor.execute(f"attach {quote(file)} as {NEW} (storage_version {quote(STORAGE_VERSION)})")
    try:
        yield
    except BaseException:
        with suppress(duckdb.Error):  # on a full disk this fails as well, and would hide the cause
            cursor.execute(f"detach {NEW}")
        raise
    cursor.execute(f"detach {NEW}")


def write_mart(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions, name: str, months: Iterable[object] | None
) -> None:
    """Replace the rows of a mart, or of some months of it."""
    table, relation = f"{NEW}.{name}", definitions.marts[name]
    if months is None:
        cursor.execute(f"create or replace table {table} as from {relation}")
    else:
        # constants: a scan reads only the row groups of these months
        is_differing = f"{definitions.months[name]} in ({', '.join(map(quote, months))})"
        cursor.execute(f"delete from {table} where {is_differing}")
        cursor.execute(f"insert into {table} from {relation} where {is_differing}")


def write_publication(
    cursor: duckdb.DuckDBPyConnection,
    publication: Publication,
    definitions: Definitions,
    writers: Mapping[str, Publication],
) -> None:
    """Write the tables that state which publication this is, and which one wrote each mart."""
    cursor.execute(
        f"create or replace table {NEW}.{PUBLICATION} as select {quote(publication.publication_id)}"
        f" as publication_id, cast({quote(publication.published_at)} as timestamp) as published_at"
    )
    rows = ", ".join(
        f"({quote(mart)}, {quote(writers[mart].publication_id)},"
        f" cast({quote(writers[mart].published_at)} as timestamp), {quote(definition_hash)})"
        for mart, definition_hash in sorted(definitions.hashes.items())
    )
    cursor.execute(
        f"create or replace table {NEW}.{PUBLISHED_MARTS} as"
        f" from (values {rows}) as marts (mart, publication_id, published_at, definition_hash)"
    )


def build_comments(kind: str, name: str, description: Description) -> str:
    """Return the SQL that writes a description into the new database. kind: table or view."""
    relation = f"{NEW}.{name}"
    on_columns = (
        f'comment on column {relation}."{column}" is {quote(text)};'
        for column, text in description.columns.items()
    )
    return f"comment on {kind} {relation} is {quote(description.text)};" + "".join(on_columns)


def write_parquet_files(
    cursor: duckdb.DuckDBPyConnection,
    folder: Path,
    work: Path,
    marts: Mapping[str, str],
    writers: Mapping[str, Publication],
) -> None:
    """Write the Parquet files into the folder work that the published folder lacks: of marts that differ.

    writers: the publication that wrote the rows of each mart, which the metadata of the file has.
    """
    for name, relation in marts.items():
        file = name_parquet_file(name)
        if read_writer(cursor, folder / file) != writers[name]:
            cursor.execute(
                f"copy (from {relation}) to {quote(work / file)}"
                f" (format parquet, kv_metadata {build_metadata(writers[name])})"
            )


def name_parquet_file(mart: str) -> str:
    """Return the name of the Parquet file of a mart: contract_commitment_1_4.parquet of focus_1_4."""
    schema, _, name = mart.partition(".")
    version = schema.removeprefix("focus") if schema.startswith("focus_") else ""
    return f"{name}{version}.parquet"


def read_writer(cursor: duckdb.DuckDBPyConnection, file: Path) -> Publication | None:
    """Return the publication that wrote a Parquet file; None if it is missing, broken or a link."""
    if not file.is_file() or file.is_symlink():
        return None
    try:
        metadata = cursor.execute(
            f"select decode(key), decode(value) from parquet_kv_metadata({quote(file)})"
        ).fetchall()
        return Publication(**dict(metadata))
    except (duckdb.Error, TypeError):
        return None


def build_metadata(publication: Publication) -> str:
    """Return the metadata of a Parquet file, as a struct in SQL."""
    return (
        f"{{publication_id: {quote(publication.publication_id)},"
        f" published_at: {quote(publication.published_at)}}}"
    )
