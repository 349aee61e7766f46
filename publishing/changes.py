"""What differs between the marts of a warehouse and the previous publication."""

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from publishing.requests import quote

PUBLICATION = "focus.publication"
PUBLISHED_MARTS = "focus.published_marts"
PREVIOUS = "fal_previous"
# the oldest format that DuckDB writes: a BI tool has its own DuckDB, and every version since 1.0 reads it
STORAGE_VERSION = "v1.0.0"
# what a database consists of: the functions of DuckDB that list it, and the names there
OBJECTS = {
    "duckdb_tables": "schema_name || '.' || table_name",
    "duckdb_views": "schema_name || '.' || view_name",
    "duckdb_indexes": "index_name",
    "duckdb_sequences": "sequence_name",
    "duckdb_functions": "function_name",
    "duckdb_types": "type_name",
    "duckdb_constraints": "constraint_text",
}
WITH_INTERNAL = ("duckdb_tables", "duckdb_views", "duckdb_functions", "duckdb_types")


@dataclass(frozen=True)
class Description:
    """The descriptions of a relation and its columns, which become comments in the published database."""

    text: str
    columns: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Definitions:
    """What a publication consists of, by `schema.name`.

    marts: their relations in the warehouse.
    months: of a large mart, the column by which its rows are compared and replaced.
    views: SQL that refers to a mart as `schema.name`, since a reader may attach the file under any name.
    descriptions: of marts and views; BI tools show them.
    """

    marts: Mapping[str, str]
    views: Mapping[str, str] = field(default_factory=dict)
    descriptions: Mapping[str, Description] = field(default_factory=dict)
    months: Mapping[str, str] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The names of all marts and views."""
        return [*self.marts, *self.views]

    @property
    def hashes(self) -> dict[str, str]:
        """Of each mart and view, a text that changes with its description and the SQL of a view."""
        no_description = Description("")
        return {
            name: hash_texts(self.views.get(name), described.text, dict(described.columns))
            for name in self.names
            for described in [self.descriptions.get(name, no_description)]
        }


@dataclass(frozen=True)
class Publication:
    """Which publication it is. published_at: an ISO 8601 time in UTC."""

    publication_id: str
    published_at: str


@dataclass(frozen=True)
class Previous:
    """The publication before, if the next one can take over its rows.

    file: its database.
    is_current: it was published on this UTC day, and nothing differs.
    unchanged: the publication that wrote each mart and view that does not differ.
    differing: the marts whose rows differ, with their months; None stands for the whole mart.
    """

    file: Path
    publication: Publication
    is_current: bool
    unchanged: Mapping[str, Publication]
    differing: Mapping[str, list[object] | None]


def compare(cursor: duckdb.DuckDBPyConnection, database: Path, definitions: Definitions) -> Previous | None:
    """Compare a published database with the marts of a warehouse.

    Returns None if no row can be taken over: the database is missing, broken, a link, or open for writing, or
    another program has added something to it, or the project has other marts or views.
    """
    if not database.is_file() or database.is_symlink() or Path(f"{database}.wal").exists():
        return None
    try:
        cursor.execute(f"attach {quote(database)} as {PREVIOUS} (read_only)")
        version = (
            f"select tags['storage_version'] from duckdb_databases() where database_name = {quote(PREVIOUS)}"
        )
        if cursor.execute(version).fetchall() != [(f"{STORAGE_VERSION}+",)]:
            return None
        tables = (*definitions.marts, PUBLICATION, PUBLISHED_MARTS)
        if list_objects(cursor) != {("duckdb_tables", table) for table in tables} | {
            ("duckdb_views", view) for view in definitions.views
        }:
            return None
        return compare_attached(cursor, database, definitions)
    except (duckdb.Error, ValueError):
        return None
    finally:
        with suppress(duckdb.Error):  # it was not attached
            cursor.execute(f"detach {PREVIOUS}")


def compare_attached(
    cursor: duckdb.DuckDBPyConnection, database: Path, definitions: Definitions
) -> Previous | None:
    """Compare the attached publication, as compare does."""
    time = "strftime(published_at, '%Y-%m-%dT%H:%M:%SZ')"
    ((publication_id, published_at),) = cursor.execute(
        f"select publication_id, {time} from {PREVIOUS}.{PUBLICATION}"
    ).fetchall()
    rows = cursor.execute(
        f"select mart, definition_hash, publication_id, {time} from {PREVIOUS}.{PUBLISHED_MARTS}"
    ).fetchall()
    if any(None in row for row in [(publication_id, published_at), *rows]):
        return None
    hashes, old_hashes = definitions.hashes, {name: old_hash for name, old_hash, *_ in rows}
    if old_hashes.keys() != hashes.keys():
        return None
    differing = find_differing(cursor, definitions)
    is_of_today = published_at[:10] == f"{datetime.now(UTC):%Y-%m-%d}"
    return Previous(
        database,
        Publication(publication_id, published_at),
        is_of_today and old_hashes == hashes and not differing,
        {
            name: Publication(*writer)
            for name, old_hash, *writer in rows
            if name not in differing and (name in definitions.marts or old_hash == hashes[name])
        },
        differing,
    )


def list_objects(cursor: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Return the kind and name of each object in the previous publication."""
    query = " union all ".join(
        f"select {quote(kind)}, {name} from {kind}() where database_name = {quote(PREVIOUS)}"
        + (" and not internal" if kind in WITH_INTERNAL else "")
        for kind, name in OBJECTS.items()
    )
    return set(cursor.execute(query).fetchall())


def find_differing(
    cursor: duckdb.DuckDBPyConnection, definitions: Definitions
) -> dict[str, list[object] | None]:
    """Return the marts that differ from the previous publication, with the months of a large one."""
    differing: dict[str, list[object] | None] = {}
    for name, relation in definitions.marts.items():
        published, month = f"{PREVIOUS}.{name}", definitions.months.get(name)
        if list_columns(cursor, published) != list_columns(cursor, relation):
            differing[name] = None
        elif months := list_differing_months(cursor, published, relation, month or "null"):
            # no constant equals the null month: then the whole mart is replaced
            differing[name] = months if month and None not in months else None
    return differing


def list_columns(cursor: duckdb.DuckDBPyConnection, relation: str) -> list[tuple[str, str]]:
    """Return the names and types of the columns of a relation."""
    return cursor.execute(f"select column_name, column_type from (describe {relation})").fetchall()


def list_differing_months(
    cursor: duckdb.DuckDBPyConnection, published: str, relation: str, month: str
) -> list[object]:
    """Return the months whose rows differ in any order. month: a column, or null to compare all rows."""
    before, after = (
        f"select {month} as month, count(*), sum(hash(mart)) from {name} as mart group by all"
        for name in (published, relation)
    )
    rows = cursor.execute(
        f"select distinct month from (({after} except {before}) union all ({before} except {after}))"
    ).fetchall()
    return [month for (month,) in rows]


def hash_texts(*texts: object) -> str:
    """Return a text that changes with texts, which JSON can contain."""
    return hashlib.sha256(json.dumps(texts, sort_keys=True).encode()).hexdigest()
