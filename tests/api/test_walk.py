"""Walks through 100,000 records during publications: each record comes once, all from one publication."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from threading import Event
from typing import Any

import duckdb
import httpx
import pytest

from api import publications
from publishing import publish
from publishing.changes import Definitions
from tests.api.serving import MARTS, VIEWS, Served, publish_small, serving
from tests.api.test_records import code, get

pytestmark = pytest.mark.slow

ROWS = 100_000
PUBLICATIONS = 4
EVERYTHING, STUDIO = ("acme", "studio"), ("studio",)


@dataclass(frozen=True)
class Mart:
    """The number of rows and the total cost of some billing accounts in a publication."""

    rows: int
    cost: Decimal


class Publisher:
    """Publishes marts that differ in rows, costs and order. ResourceId has the number of the publication."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.holds: list[dict[tuple[str, ...], Mart]] = []  # by publication: the totals by billing accounts
        self.done = [Event() for _ in range(PUBLICATIONS)]

    def publish(self) -> None:
        """Publish the next marts."""
        number = len(self.holds)
        with duckdb.connect() as warehouse:
            warehouse.execute("create schema focus")
            for name, query in MARTS.items():
                warehouse.execute(f"create table {name} as {query}")
            warehouse.execute(
                f"""
                create or replace table focus.cost_and_usage as
                select
                    case n % 3 when 0 then 'studio' else 'acme' end as BillingAccountId,
                    timestamp '2026-01-01 00:00:00' as BillingPeriodStart,
                    '{number}' as ResourceId,
                    n as RowNumber,
                    cast((n + {number}) || '.' || lpad(cast(n as varchar), 18, '0') as decimal(38, 18))
                        as BilledCost,
                    cast(null as varchar) as Tags
                from range({ROWS + number}) as numbers (n) order by hash(n + {number})
                """
            )
            totals = "select count(*), sum(BilledCost) from focus.cost_and_usage where BillingAccountId in ?"
            self.holds.append(
                {
                    accounts: Mart(*warehouse.execute(totals, [accounts]).fetchall()[0])
                    for accounts in (EVERYTHING, STUDIO)
                }
            )
            definitions = Definitions({name: name for name in MARTS}, VIEWS)
            publish(warehouse, self.folder, definitions, f"number_{number}")
        self.done[number].set()

    def publish_the_rest(self) -> None:
        """Publish until there are enough publications."""
        while len(self.holds) < PUBLICATIONS:
            self.publish()


def walk(
    api: httpx.Client, publisher: Publisher, accounts: tuple[str, ...], size: int, page: dict[str, Any]
) -> int:
    """Wait for the next publication, and walk from a first page to the last. Return where the walk began."""
    began = int(page["data"][0]["ResourceId"])
    assert publisher.done[min(began + 1, PUBLICATIONS - 1)].wait(300)
    rows, cost = [], Decimal(0)
    while True:
        for record in page["data"]:
            assert record["ResourceId"] == str(began)
            assert record["BillingAccountId"] in accounts
            rows.append(record["RowNumber"])
            cost += record["BilledCost"]
        assert page["totalRecords"] == publisher.holds[began][accounts].rows
        if "nextPageToken" not in page:
            break
        assert len(page["data"]) == size
        page = get(api, pageSize=size, pageToken=page["nextPageToken"])
    assert len(rows) == len(set(rows))
    assert Mart(len(rows), cost) == publisher.holds[began][accounts]
    return began


def test_walks_during_publications_return_each_record_of_their_publication_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publications, "LOOK_EVERY", 0.0)
    publisher = Publisher(tmp_path / "published")
    publisher.publish()

    def walk_until_the_last(api: httpx.Client, accounts: tuple[str, ...], size: int) -> list[int]:
        began = [walk(api, publisher, accounts, size, firsts[api])]
        while began[-1] < PUBLICATIONS - 1:
            began.append(walk(api, publisher, accounts, size, get(api, pageSize=size)))
        return began

    with (
        serving(publisher.folder, tmp_path) as served,
        served.client() as small_pages,
        served.client() as large_pages,
        served.limited_to("studio", *STUDIO) as studio,
        ThreadPoolExecutor() as threads,
    ):
        walkers = [(small_pages, EVERYTHING, 997), (large_pages, EVERYTHING, 10_000), (studio, STUDIO, 4_000)]
        firsts = {api: get(api, pageSize=size) for api, _, size in walkers}
        walks = [threads.submit(walk_until_the_last, *walker) for walker in walkers]
        threads.submit(publisher.publish_the_rest).result()
        for began in (future.result() for future in walks):
            assert began[0] == 0
            assert began == sorted(set(began))


def test_a_walk_whose_publication_was_removed_must_begin_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publications, "LOOK_EVERY", 0.0)
    monkeypatch.setattr(publications, "AN_HOUR", 0.0)
    publish_small(tmp_path / "published")
    with serving(tmp_path / "published", tmp_path) as served, served.client() as api:
        walks = [get(api, pageSize=1)["nextPageToken"]]
        for number in range(publications.KEPT + 1):
            assert len(get(api, pageToken=walks[0])["data"]) > 1
            publish_small(tmp_path / "published", f"number_{number}")
            walks.append(get(api, pageSize=1)["nextPageToken"])
        assert code(api, pageToken=walks[0]) == "stale_page_token"
        for token in walks[1:]:
            assert len(get(api, pageToken=token)["data"]) > 1


def test_a_limited_token_gets_no_data_of_other_accounts(small: Served) -> None:
    with small.client() as api, small.limited_to("acme-alone", "acme") as acme:
        page = get(api, pageSize=1)
        assert code(acme, pageToken=page["nextPageToken"]) == "invalid_page_token"
        for filters in ({"region": "us"}, {"billingPeriodStart": "2026-03-01T00:00:00Z"}):
            assert get(api, **filters)["totalRecords"] > 0
            others = get(acme, **filters)
            assert (others["data"], others["totalRecords"]) == ([], 0)
        path = "/contract-commitments"
        assert get(api, path=path, billingAccountId="studio")["totalRecords"] == 1
        others = get(acme, path=path, billingAccountId="studio")
        assert (others["data"], others["totalRecords"]) == ([], 0)
        # the recency of other accounts is hidden as well
        ours = get(acme, billingPeriodStart="2026-03-01T00:00:00Z")
        assert (ours["dataCompleteness"], "dataLastUpdated" in ours) == ("Incomplete", False)
