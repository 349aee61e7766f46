"""A fal that costs next to nothing: its pages are all made, and compressed, before the first request.

python -m benchmarks.page_server DAYS EVENTS_PER_DAY PAGE_SIZE DELAY

It prints its URL once it is ready, answers DELAY seconds after it was asked, and ends with its standard
input. A request asks for one UTC day or for all of them; the cursor is the number of the page. The events
repeat after 200,000 of them, or after a day that has more. Any key will do.
"""

import asyncio
import gzip
import json
import sys
from datetime import date, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

from tests.fal_server.events import Oddities, draw_day

DISTINCT_EVENTS = 200_000


class Pages:
    """The responses to all requests, whole: by the number of pages of the window, then by the page."""

    def __init__(self, days: int, events_per_day: int, page_size: int) -> None:
        self._per_day = events_per_day // page_size
        distinct = min(max(self._per_day, DISTINCT_EVENTS // page_size), days * self._per_day)
        lists = [listed_events(page_size, number) for number in range(distinct)]
        self._responses = {
            pages: [response(lists[page % distinct], page, pages) for page in range(pages)]
            for pages in {self._per_day, self._per_day * days}
        }

    def response(self, target: str) -> bytes:
        """The response to a GET of a path with its parameters."""
        params = parse_qs(urlsplit(target).query)
        start, end = (datetime.fromisoformat(params[name][0]) for name in ("start", "end"))
        pages = self._per_day * ((end - start) // timedelta(days=1))
        return self._responses[pages][int(params.get("cursor", "0")[0])]


def listed_events(count: int, number: int) -> str:
    """Tidy events as the members of a JSON list, newest first; others for another number."""
    events = draw_day(f"page {number}", date(2025, 1, 1), count, Oddities())
    return ",".join(event.json(label=True) for event in reversed(events))


def response(listed: str, page: int, pages: int) -> bytes:
    """A page as fal answers it, with the head of the response."""
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

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(delay)
                writer.write(pages.response(request.split(b" ", 2)[1].decode()))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    server = await asyncio.start_server(talk, "127.0.0.1", 0)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    server.close()


def main() -> int:
    """Make the pages and serve them."""
    days, events_per_day, page_size = (int(option) for option in sys.argv[1:4])
    asyncio.run(serve(Pages(days, events_per_day, page_size), float(sys.argv[4])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
