"""A page of records as JSON, in pieces that are read one by one."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import duckdb
from cryptography.fernet import Fernet
from msgspec.structs import replace

from api import queries
from api.errors import ApiError, invalid_parameter
from api.paging import Position, hash_query, seal, unseal
from api.parameters import ListParameters
from api.publications import NotPublishedError, Publication, Publications
from api.queries import COST_AND_USAGE, Dataset, Selection
from api.tokens import Caller

PIECE = 1000  # records of a page that are read in one turn, and held until they are sent


@dataclass(frozen=True)
class RecordRequest:
    """A request for a page of records. page_size: 0 only checks the request."""

    dataset: Dataset
    parameters: ListParameters
    page_size: int
    caller: Caller
    standard_fields: bool

    @property
    def query(self) -> str:
        """The hash of what must be equal for all pages of a walk."""
        return hash_query(
            self.dataset.name,
            self.parameters.filters,
            self.parameters.columns,
            self.caller.sha256,
            self.caller.billing_accounts,
            self.standard_fields,
        )

    @property
    def selection(self) -> Selection:
        """The rows that pass the filters and that the caller may see."""
        return queries.build_selection(self.dataset, self.parameters.filters, self.caller.billing_accounts)


@dataclass(frozen=True)
class RecordPage:
    """A page of records.

    count: the number of its records. first: its first piece. later: functions that read the other pieces.
    """

    count: int
    first: bytes
    later: list[Callable[[], bytes]]


@dataclass(frozen=True)
class RecordReader:
    """Reads rows of one publication as JSON. For use by many threads."""

    publications: Publications
    publication: Publication
    request: RecordRequest
    columns: dict[str, str]

    def read(self, after: int, last: int, start: str, end: str) -> bytes:
        """Return the rows after a record number, up to another, between two texts."""
        rows = ",".join(self.read_rows(after, last))
        return f"{start}{rows}{end}".encode()

    def read_rows(self, after: int, last: int) -> Iterator[str]:
        """Yield the rows after a record number, up to another, as JSON objects with commas between them.

        Rows that need too much memory together are read in halves. Raises duckdb.OutOfMemoryException if
        one row needs too much.
        """
        request = self.request
        try:
            with self.publications.reopen(self.publication) as cursor:
                rows = queries.read_rows(
                    cursor, request.dataset, request.selection, self.columns, after, last
                )
        except duckdb.OutOfMemoryException:
            if last - after <= 1:
                raise
        else:
            if rows:
                yield rows
            return
        middle = (after + last) // 2
        yield from self.read_rows(after, middle)
        yield from self.read_rows(middle, last)


def read_page(publications: Publications, request: RecordRequest, key: Fernet) -> RecordPage:
    """Read the first piece of a page, from the publication that the walk began in.

    Raises ApiError; NotPublishedError for a first page if no publication can be served.
    """
    token = request.parameters.page_token
    position = None if token is None else unseal(token, request.query, key)
    try:
        with publications.open(position.publication_id if position else None) as (publication, cursor):
            columns = select_columns(publication, request)
            if not request.page_size:
                return RecordPage(0, b"", [])
            position = position or begin_walk(publication, cursor, request)
            reader = RecordReader(publications, publication, request, columns)
            return read_pieces(reader, cursor, position, key)
    except NotPublishedError:
        if token is None:
            raise
        raise ApiError(
            400,
            "stale_page_token",
            "pageToken belongs to a publication that is no longer kept: begin again without it",
        ) from None


def select_columns(publication: Publication, request: RecordRequest) -> dict[str, str]:
    """Return the columns to show with their types, in the order of the view. Raises ApiError."""
    dataset, names = request.dataset, request.parameters.columns
    columns = publication.columns[dataset.view]
    if request.standard_fields:
        columns = {name: kind for name, kind in columns.items() if name in dataset.standard_fields}
    if names is None:
        return columns
    unknown = [name for name in names if name not in columns]
    if unknown:
        raise invalid_parameter(f"unknown column {unknown[0]!r}: /schema lists the columns of {dataset.name}")
    return {name: kind for name, kind in columns.items() if name in names}


def begin_walk(
    publication: Publication, cursor: duckdb.DuckDBPyConnection, request: RecordRequest
) -> Position:
    """Return the position before the first record, with the values that all pages repeat."""
    filters = request.parameters.filters
    recency = queries.read_recency(
        cursor,
        filters.get("billingPeriodStart"),
        filters.get("billingPeriodEnd"),
        request.caller.billing_accounts,
    )
    return Position(
        publication.publication_id,
        request.query,
        last=-1,
        total=queries.count_rows(cursor, request.dataset, request.selection),
        last_updated=recency.last_updated,
        is_complete=recency.is_complete,
    )


def read_pieces(
    reader: RecordReader, cursor: duckdb.DuckDBPyConnection, position: Position, key: Fernet
) -> RecordPage:
    """Read the first piece of the page at a position, and prepare the others."""
    request = reader.request
    numbers = queries.read_record_numbers(
        cursor, request.dataset, request.selection, position.last, request.page_size + 1
    )
    page = numbers[: request.page_size]
    following = replace(position, last=page[-1]) if len(numbers) > len(page) else None
    end = build_end(request.dataset, position, seal(following, key) if following else None)
    lasts = [*page[PIECE - 1 : -1 : PIECE], *page[-1:]] or [position.last]  # the last record of each piece
    first, *later = pairwise([position.last, *lasts])
    ends = [""] * len(later) + [end]
    return RecordPage(
        len(page),
        reader.read(*first, '{"data":[', ends[0]),
        [partial(reader.read, *piece, ",", end) for piece, end in zip(later, ends[1:], strict=True)],
    )


def build_end(dataset: Dataset, position: Position, next_token: str | None) -> str:
    """Return the end of a page: the fields after its records."""
    fields = [f'"totalRecords":{position.total}']
    if next_token:
        fields.append(f'"nextPageToken":"{next_token}"')
    if dataset is COST_AND_USAGE:
        if position.last_updated:
            fields.append(f'"dataLastUpdated":"{position.last_updated}"')
        completeness = "Complete" if position.is_complete else "Incomplete"
        fields.append(f'"dataCompleteness":"{completeness}"')
    return f"],{','.join(fields)}}}"
