"""A landing zone of any size: `python -m benchmarks.landing_zone FOLDER [--days N] [--events N] ...`.

The files are those that loaders write: one account, one load a day, pages of 10,000 events. The events of a
day cycle through endpoints and keys, so a day has endpoints × keys charges, at most `--events`.
"""

import argparse
import hashlib
import json
import sys
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path

import duckdb
from zlib_ng import zlib_ng

from loaders.landing import Manifest, has_short_numbers, is_one_line
from loaders.work import PageFile

PAGE = 10_000  # events

EVENTS = """
    select printf(
        '{"request_id":"%s","endpoint_id":"fal-ai/model-%d","timestamp":"%s","output_units":%d.5,'
        '"unit_price":0.0%d,"percent_discount":null,"cost_estimate_nano_usd":%d,"auth_method":"Key %d"}',
        cast(uuid() as varchar),
        n % $endpoints,
        strftime(
            cast($day as timestamp) + to_microseconds(n * 86400000000 // $events), '%Y-%m-%dT%H:%M:%S.%gZ'
        ),
        n % 7 + 1,
        n % $endpoints % 40 + 11,
        ((n % 7 + 1) * 1000000 + 500000) * (n % $endpoints % 40 + 11),
        n // $endpoints % $keys
    )
    from range($events) as events (n)
    order by n
"""


def write_day(folder: Path, day: date, events: int, endpoints: int, keys: int) -> None:
    """Land a day of generated events as one load, fetched at the end of the day after."""
    fetched = day + timedelta(days=2)
    load_id = f"{fetched:%Y%m%d}T000000000000Z-000000"
    load = folder / "billing_events" / "account=acme" / f"date={day}" / f"load={load_id}"
    load.mkdir(parents=True)
    parameters = {"day": str(day), "events": events, "endpoints": endpoints, "keys": keys}
    texts = [text for (text,) in duckdb.execute(EVENTS, parameters).fetchall()]
    pages = []
    for number, start in enumerate(range(0, events, PAGE), start=1):
        listed = texts[start : start + PAGE]
        body = f'{{"next_cursor":null,"has_more":false,"billing_events":[{",".join(listed)}]}}'.encode()
        file = f"page-{number:05}.json.gz"
        (load / file).write_bytes(zlib_ng.compress(body, 1, wbits=31))
        sha256 = hashlib.sha256(body).hexdigest()
        pages.append(
            PageFile(file, len(listed), len(body), sha256, is_one_line(body), has_short_numbers(body))
        )
    manifest = Manifest(
        feed="billing_events",
        account="acme",
        source=None,
        partition=str(day),
        load_id=load_id,
        request={},
        window_start=f"{day}T00:00:00Z",
        window_end=f"{day + timedelta(days=1)}T00:00:00Z",
        fetched_at=f"{fetched}T00:00:00.000000Z",
        complete=True,
        rows=events,
        pages=pages,
    )
    (load / "manifest.json").write_text(json.dumps(asdict(manifest)) + "\n")


def write_days(folder: Path, first: date, days: int, events: int, endpoints: int = 40, keys: int = 5) -> None:
    """Land some days, starting with the first."""
    for number in range(days):
        write_day(folder, first + timedelta(days=number), events, endpoints, keys)


def main() -> int:
    """Write the days that the options describe."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.landing_zone", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--events", type=int, default=100_000, help="a day")
    parser.add_argument("--first", type=date.fromisoformat, default=date(2025, 1, 1))
    parser.add_argument("--endpoints", type=int, default=40)
    parser.add_argument("--keys", type=int, default=5)
    options = parser.parse_args()
    write_days(options.folder, options.first, options.days, options.events, options.endpoints, options.keys)
    return 0


if __name__ == "__main__":
    sys.exit(main())
