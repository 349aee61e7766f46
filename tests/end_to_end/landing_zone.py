"""Write loads by hand, with content that no server sends. Shares no code with the loaders."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def _write(folder: Path, manifest: dict[str, Any], files: dict[str, tuple[bytes, int]], **said: bool) -> Path:
    folder.mkdir(parents=True)
    pages = []
    for name, (body, rows) in files.items():
        (folder / name).write_bytes(gzip.compress(body))
        pages.append({"file": name, "rows": rows, "bytes": len(body), "sha256": "", **said})
    whole = {
        "complete": True,
        "fetched_at": "2026-03-01T00:00:00Z",
        "rows": sum(rows for _, rows in files.values()),
        "pages": pages,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | whole) + "\n")
    return folder


def write_pages(
    landing: Path,
    folder: str,
    pages: Sequence[tuple[bytes, int]],
    load_id: str = "1",
    **said: bool,
) -> Path:
    """Land pages, each a body and how many rows the loader counted in it, as one load of a partition.

    folder: of the partition, such as serverless_usage/account=acme/date=2026-01-05. said: the manifest's
    flags for each page, one_line and short_numbers.
    """
    feed, *names = folder.split("/")
    values = dict(name.split("=", 1) for name in names)
    manifest = {
        "feed": feed,
        "account": values["account"],
        "source": values.get("source", values.get("team")),
        "partition": values["date"],
        "load_id": load_id,
    }
    files = {f"page-{n:05}.json.gz": page for n, page in enumerate(pages, start=1)}
    return _write(landing / folder / f"load={load_id}", manifest, files, **said)


def write_events(
    landing: Path,
    account: str,
    day: str,
    pages: Sequence[tuple[bytes, int]],
    load_id: str = "1",
    team: str | None = None,
    **said: bool,
) -> Path:
    """Land pages of events as one load of a day, of the account or of a team of its organization."""
    of_team = f"/team={team}" if team else ""
    folder = f"billing_events/account={account}{of_team}/date={day}"
    return write_pages(landing, folder, pages, load_id, **said)


def write_serverless_usage(
    landing: Path, account: str, day: str, pages: Sequence[tuple[bytes, int]], load_id: str = "1"
) -> Path:
    """Land pages of usage of Serverless as one load of a day."""
    return write_pages(landing, f"serverless_usage/account={account}/date={day}", pages, load_id)


def write_snapshot(
    landing: Path,
    account: str,
    source: str,
    day: str,
    pages: Sequence[tuple[bytes, int]],
    load_id: str = "1",
) -> Path:
    """Land a snapshot of a list of the catalogue: keys, models, pricing, teams or balance."""
    return write_pages(landing, f"catalogue/account={account}/source={source}/date={day}", pages, load_id)


def write_report(
    landing: Path, account: str, source: str, partition: str, body: bytes, rows: int, load_id: str = "1"
) -> Path:
    """Land a CSV as one load of a billing month (source invoice) or of a day (source estimate)."""
    key = "billing_month" if source == "invoice" else "date"
    folder = landing / "focus_reports" / f"account={account}" / f"source={source}"
    manifest = {
        "feed": "focus_reports",
        "account": account,
        "source": source,
        "partition": partition,
        "load_id": load_id,
    }
    return _write(
        folder / f"{key}={partition}" / f"load={load_id}", manifest, {"report.csv.gz": (body, rows)}
    )


def event(request_id: str | None = "r1", **fields: str | None) -> str:
    """Write an event as JSON text. Numbers are passed as text, so that they are not rounded."""
    numbers = {
        "output_units": "2",
        "unit_price": "0.001",
        "percent_discount": "10",
        "cost_estimate_nano_usd": "1800000",
        "timestamp": '"2026-01-05T09:30:00Z"',
        "endpoint_id": '"fal-ai/flux/dev"',
    } | {name: value for name, value in fields.items() if value is not None}
    return (
        "{"
        + ", ".join(
            f'"{name}": {value}' for name, value in {"request_id": json.dumps(request_id), **numbers}.items()
        )
        + "}"
    )


def page(*events: str) -> tuple[bytes, int]:
    """Write a page of these events; also return their number."""
    return (
        f'{{"billing_events": [{", ".join(events)}], "next_cursor": null, "has_more": false}}'.encode(),
        len(events),
    )


def usage(**fields: str | None) -> str:
    """Write a result of Serverless usage as JSON text; a field that is None is left out."""
    values = {
        "app": '"my-app"',
        "environment": '"main"',
        "machine_type": '"GPU-H100"',
        "unit": '"second"',
        "quantity": "3600",
        "unit_price": "0.001",
        "percent_discount": "10",
        "cost_subtotal": "3.6",
        "cost_discount": "0.36",
        "cost_total": "3.24",
        "currency": '"USD"',
        "is_surge": "false",
    } | fields
    return json_object(**values)


def json_object(**fields: str | None) -> str:
    """Write a JSON object of values that are JSON text; a field that is None is left out."""
    return "{" + ", ".join(f'"{name}": {value}' for name, value in fields.items() if value is not None) + "}"


def usage_page(**results: Sequence[str]) -> tuple[bytes, int]:
    """Write a page of buckets, each with its results; also return the number of results.

    results: the results by the day of the bucket, such as d2026_01_05.
    """
    buckets = ", ".join(
        json_object(bucket=f'"{day[1:].replace("_", "-")}T00:00:00Z"', results=f"[{', '.join(rows)}]")
        for day, rows in results.items()
    )
    body = f'{{"time_series": [{buckets}], "next_cursor": null, "has_more": false}}'
    return body.encode(), sum(map(len, results.values()))


def list_page(key: str, *items: str) -> tuple[bytes, int]:
    """Write a page of a list of the catalogue; also return the number of its items."""
    return f'{{"{key}": [{", ".join(items)}], "next_cursor": null, "has_more": false}}'.encode(), len(items)
