"""The real server on loopback, in a thread, and a small publication to serve."""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import httpx
from starlette.types import ASGIApp

from api.app import BASE, create_application
from api.server import create_server
from api.settings import RateLimit, Settings
from api.tokens import Tokens
from publishing import publish
from publishing.changes import Definitions, Description

PLENTY = RateLimit(100_000_000, 1)

MORE = 100  # charges of studio in March, each with its own BilledCost

MARTS = {
    # values that a cast or a float would change: 38 digits, 18 decimals, quotes, a line break, a NUL, emoji
    "focus.cost_and_usage": f"""
        select
            BillingAccountId,
            cast(BillingPeriodStart || '-01' as timestamp) as BillingPeriodStart,
            ChargeCategory,
            'fal' as ProviderName,
            ServiceName,
            'Compute' as ServiceCategory,
            Region,
            ResourceId,
            SubAccountId,
            'USD' as BillingCurrency,
            cast(BilledCost as decimal(38, 18)) as BilledCost,
            cast(Whole as decimal(38, 0)) as Whole,
            Tags,
            cast(null as varchar) as Missing,
            cast(Moment as timestamp) as Moment,
            cast(BilledCost as decimal(38, 18)) > 0 as Flag
        from (values
            ('acme', '2026-01', 'Usage', 'GPU', 'eu', 'a', 'team', '12345678901234567890.000000000000000001',
             100, '{{"a": 0.1000000000000000055511151231257827}}', '2026-01-01 00:00:00.000001'),
            ('acme', '2026-02', 'Purchase', E'say "hi"\\n' || chr(0) || '\\ ü 😀', null, 'b', null, '-0.5',
             0, null, '2026-02-01 12:00:00'),
            ('studio', '2026-02', 'Usage', 'GPU', 'us', 'a', 'team', '0',
             -1200, '{{}}', '2026-02-01 00:00:00')
        ) as charges (
            BillingAccountId, BillingPeriodStart, ChargeCategory, ServiceName, Region, ResourceId,
            SubAccountId, BilledCost, Whole, Tags, Moment
        )
        union all
        select
            'studio', timestamp '2026-03-01 00:00:00', 'Usage', 'fal', 'GPU', 'Compute', 'us', 'a',
            'team', 'USD', n, 0, null, null, timestamp '2026-03-01 00:00:00', true
        from range(1, {MORE + 1}) as rows (n)
    """,
    "focus.contract_commitment": """
        select 'credits' as CommitmentDiscountId, 'acme' as BillingAccountId, 10.50 as CommitmentTotalQuantity
        union all
        select 'spend', 'studio', null
    """,
    "focus.recency": """
        select
            billing_account_id as account,
            billing_account_id,
            cast(month || '-01' as timestamp) as billing_period_start,
            cast(month || '-01' as timestamp) + interval 1 month as billing_period_end,
            is_complete,
            cast(updated as timestamp) as last_updated_at
        from (values
            ('acme', '2026-01', true, '2026-02-03 04:05:06.5'),
            ('acme', '2026-02', false, '2026-02-27 00:00:00'),
            ('studio', '2026-02', true, '2026-03-05 00:00:00'),
            ('studio', '2026-03', false, '2026-03-06 00:00:00'),
            ('gap', '2024-01', true, '2024-02-01 00:00:00'),
            ('gap', '2024-03', true, '2024-04-01 00:00:00')
        ) as months (billing_account_id, month, is_complete, updated)
    """,
    "focus.data_generator": """
        select
            unnest(['ContractCommitment', 'CostAndUsage']) as dataset,
            'fal_focus' as data_generator,
            '0.1.0' as data_generator_version,
            '1.3' as focus_version
    """,
}
VIEWS = {
    "api.cost_and_usage_records": (
        "select rowid as record_number, * replace (cast(Tags as json) as Tags) from focus.cost_and_usage"
    ),
    "api.contract_commitment_records": "select rowid as record_number, * from focus.contract_commitment",
    "api.schema_columns": """
        select * from (values
            ('ContractCommitment', 1, 'CommitmentDiscountId', 'String', 'Must', false, 'Id.', 'Dimension'),
            ('CostAndUsage', 2, 'Tags', 'JSON', 'Optional', true, 'Tags.', 'Dimension'),
            ('CostAndUsage', 1, 'BilledCost', 'Number', 'Must', false, 'Cost.', 'Metric')
        ) as columns (
            dataset, column_position, columnName, dataType, requirement, nullable, description, category
        )
    """,
}


def publish_small(
    folder: Path,
    publication_id: str = "first",
    charges: int | None = None,
    marts: Mapping[str, str] = MARTS,
) -> None:
    """Publish the small marts, or only a number of their charges, as a publication of this id."""
    with duckdb.connect() as warehouse:
        warehouse.execute("create schema focus")
        for mart, query in marts.items():
            limit = f" limit {charges}" if charges is not None and mart == "focus.cost_and_usage" else ""
            warehouse.execute(f"create table {mart} as {query}{limit}")
        # without a change, the previous publication of the day would be kept
        descriptions = {"focus.recency": Description(publication_id)}
        definitions = Definitions({mart: mart for mart in marts}, VIEWS, descriptions)
        publish(warehouse, folder, definitions, publication_id)


@dataclass(frozen=True)
class Served:
    """A running server, and a token that can see everything."""

    url: str  # with /focus/v1
    settings: Settings
    token: str

    @property
    def tokens(self) -> Tokens:
        """The server's tokens."""
        return Tokens(self.settings.tokens_file)

    def client(self, token: str | None = None) -> httpx.Client:
        """Return a client that sends a token.

        Each request has its own connection: the server may close an idle one while a request is on its way.
        """
        headers = {"Authorization": f"Bearer {token or self.token}"}
        limits = httpx.Limits(max_keepalive_connections=0)
        return httpx.Client(base_url=self.url, headers=headers, timeout=60, limits=limits)

    def limited_to(self, name: str, *billing_accounts: str) -> httpx.Client:
        """Return a client with a new token that is limited to billing accounts."""
        return self.client(self.tokens.create(name, frozenset(billing_accounts)))


@contextmanager
def running(app: ASGIApp) -> Iterator[str]:
    """Run an application. Yield the URL of its server."""
    serves = create_server(app, "127.0.0.1", 0)
    thread = threading.Thread(target=serves.run)
    thread.start()
    try:
        while not serves.started:
            assert thread.is_alive(), "the server could not be started"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{serves.servers[0].sockets[0].getsockname()[1]}"
    finally:
        serves.should_exit = True
        thread.join()


@contextmanager
def serving(
    published: Path,
    work: Path,
    rate_limit: RateLimit = PLENTY,
    token: str | None = None,
    standard_fields: bool = False,
    row_rate_limit: RateLimit = PLENTY,
) -> Iterator[Served]:
    """Serve what is published in a folder.

    work: the folder of tokens and of the server's own files. token: an existing one, for a restart.
    """
    settings = Settings(
        published,
        work / "api_tokens.json",
        "",
        work / "exports",
        rate_limit,
        standard_fields,
        row_rate_limit,
    )
    token = token or Tokens(settings.tokens_file).create("everything", frozenset())
    with running(create_application(settings)) as url:
        yield Served(f"{url}{BASE}", settings, token)
