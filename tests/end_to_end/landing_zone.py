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


def write_events(
    landing: Path,
    account: str,
    day: str,
    pages: Sequence[tuple[bytes, int]],
    load_id: str = "1",
    **said: bool,
) -> Path:
    """Land pages, each a body and how many events the loader counted in it, as one load of a day.

    said: the manifest's flags for each page, one_line and short_numbers.
    """
    folder = landing / "billing_events" / f"account={account}" / f"date={day}" / f"load={load_id}"
    manifest = {
        "feed": "billing_events",
        "account": account,
        "source": None,
        "partition": day,
        "load_id": load_id,
    }
    files = {f"page-{n:05}.json.gz": page for n, page in enumerate(pages, start=1)}
    return _write(folder, manifest, files, **said)


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
