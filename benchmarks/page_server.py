"""A local fal server with almost no cost: all pages are made and compressed before the first request.

python -m benchmarks.page_server DAYS EVENTS_PER_DAY PAGE_SIZE DELAY

It prints its URL when it is ready, answers each request after DELAY seconds, and ends with its standard
input. A request is for one UTC day or for all days, and the cursor is the number of the page. The events
repeat after 200,000, or after a day with more. It accepts any key.
"""

import asyncio
import gzip
import json
import sys
from datetime import date, datetime, timedelta
from functools import partial
from urllib.parse import parse_qs, urlsplit

from tests.fal_server.events import Oddities, draw_day

DISTINCT_EVENTS = 200_000


class Pages:
    """The complete responses, by the number of pages of the window, then by page."""

    def __init__(self, days: int, events_per_day: int, page_size: int) -> None:
        self._per_day = events_per_day // page_size
        distinct = min(max(self._per_day, DISTINCT_EVENTS // page_size), days * self._per_day)
        lists = [draw_events(page_size, number) for number in range(distinct)]
        self._responses = {
            pages: [build_response(lists[page % distinct], page, pages) for page in range(pages)]
            for pages in {self._per_day, self._per_day * days}
        }

    def find_response(self, target: str) -> bytes:
        """Return the response to a GET request."""
        params = parse_qs(urlsplit(target).query)
        start, end = (datetime.fromisoformat(params[name][0]) for name in ("start", "end"))
        pages = self._per_day * ((end - start) // timedelta(days=1))
        return self._responses[pages][int(params.get("cursor", "0")[0])]


def draw_events(count: int, number: int) -> str:
    """Return events without oddities as members of a JSON list, newest first; number is the seed."""
    events = draw_day(f"page {number}", date(2025, 1, 1), count, Oddities())
    return ",".join(event.json(label=True) for event in reversed(events))


def build_response(listed: str, page: int, pages: int) -> bytes:
    """Return a page of fal as a response with its headers."""
    has_more = page + 1 < pages
    ends = (
        f'"next_cursor":{json.dumps(str(page + 1) if has_more else None)},"has_more":{json.dumps(has_more)}'
    )
    body = gzip.compress(f'{{{ends},"billing_events":[{listed}]}}'.encode(), 6, mtime=0)
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def serve(pages: Pages, delay: float) -> None:
    """Print the URL, and answer until standard input ends."""
    server = await asyncio.start_server(partial(answer, pages, delay), "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


async def answer(
    pages: Pages, delay: float, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> None:
    """Answer the requests of a connection until it ends."""
    try:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(delay)
            writer.write(pages.find_response(request.split(b" ", 2)[1].decode()))
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


def main() -> int:
    """Make the pages and serve them."""
    days, events_per_day, page_size = (int(option) for option in sys.argv[1:4])
    asyncio.run(serve(Pages(days, events_per_day, page_size), float(sys.argv[4])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
