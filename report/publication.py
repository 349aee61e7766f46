"""Opens a publication for reading."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import msgspec

from publishing import DuckDBConfig
from publishing.database import DATABASE

NEEDED = (
    *("focus.publication", "finops.budget_status", "finops.commitment_summary", "finops.cost_anomalies"),
    *("finops.cost_forecast", "finops.daily_cost", "finops.landed_days", "finops.model_prices"),
    *("finops.commitment_burn_down", "finops.invoice_reconciliation", "finops.product_line_reconciliation"),
    *("focus.conformance_report", "focus.recency"),
)
DIGITS = 76  # of the context for decimals: a sum or a product of two DECIMAL(38,18) is exact
# a view or a macro of the file cannot read another file
CONFIG: DuckDBConfig = {"enable_external_access": "false"}


class ReportError(Exception):
    """An expected error: one line, which contains what to do."""


class UnknownAccountError(ReportError):
    """The publication does not have an account."""


def find_database() -> Path:
    """Return the published database of FAL_PUBLISH_DIR. Raises ReportError if it does not exist."""
    folder = os.environ.get("FAL_PUBLISH_DIR", "published")
    if not folder:
        raise ReportError("FAL_PUBLISH_DIR is empty: unset it for published/, or name a folder")
    database = Path(folder) / DATABASE
    if not database.exists():
        raise ReportError(f"{database} does not exist: publish it with dbt build, or correct FAL_PUBLISH_DIR")
    return database


@contextmanager
def open_publication(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a connection to a publication. Raises ReportError if it cannot be read or lacks a mart."""
    try:
        with duckdb.connect(str(database), read_only=True, config=CONFIG) as connection:
            query = "select schema_name || '.' || table_name from duckdb_tables()"
            published = {name for (name,) in connection.execute(query).fetchall()}
            missing = [mart for mart in NEEDED if mart not in published]
            if missing:
                raise ReportError(
                    f"an older version published {database}, without {', '.join(missing)}: run dbt build"
                )
            query = "select count(*) = 1 and count(published_at) = 1 from focus.publication"
            if connection.execute(query).fetchone() != (True,):
                raise ReportError(f"{database} is not a whole publication: run dbt build")
            yield connection
    except duckdb.BinderException as error:
        # a mart lacks a column
        reason = str(error).splitlines()[0]
        raise ReportError(f"another version published {database} ({reason}): run dbt build") from None
    except (duckdb.Error, msgspec.MsgspecError) as error:
        raise ReportError(f"{database} cannot be read: {str(error).splitlines()[0]}") from None
