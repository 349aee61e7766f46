"""The bare loop that `benchmarks.load` runs beside the loader: httpx, and every body into a file.

python -m benchmarks.load_bare URL START END FOLDER

Nothing is looked at but the cursor, and that with msgspec: json would take as long as all the rest.
"""

import sys
from pathlib import Path

import httpx
import msgspec


class Page(msgspec.Struct):
    """All that the loop needs of a page."""

    next_cursor: str | None


def main() -> int:
    """Save every page of a window of billing events, as httpx hands it over."""
    url, start, end, folder = sys.argv[1:]
    params = {"start": start, "end": end, "limit": 10_000, "expand": "auth_method"}
    number, cursor = 0, ""
    with httpx.Client(headers={"Authorization": "Key benchmark"}) as client:
        while cursor is not None:
            body = client.get(f"{url}/models/billing-events", params=params).content
            number += 1
            Path(folder, f"page-{number:05}.json").write_bytes(body)
            cursor = params["cursor"] = msgspec.json.decode(body, type=Page).next_cursor
    return 0


if __name__ == "__main__":
    sys.exit(main())
