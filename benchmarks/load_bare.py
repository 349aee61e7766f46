"""The bare loop that `benchmarks.load` compares with the loader: httpx, and a file for each body.

python -m benchmarks.load_bare URL START END FOLDER

It decodes only the cursor, with msgspec, since json would take as long as everything else.
"""

import sys
from itertools import count
from pathlib import Path

import httpx
import msgspec


class Page(msgspec.Struct):
    """The only field that the loop needs."""

    next_cursor: str | None


def main() -> int:
    """Save every page of a window of billing events."""
    url, start, end, folder = sys.argv[1:]
    params: dict[str, str | int] = {"start": start, "end": end, "limit": 10_000, "expand": "auth_method"}
    with httpx.Client(headers={"Authorization": "Key benchmark"}) as client:
        for number in count(1):
            body = client.get(f"{url}/models/billing-events", params=params).content
            Path(folder, f"page-{number:05}.json").write_bytes(body)
            cursor = msgspec.json.decode(body, type=Page).next_cursor
            if cursor is None:
                break
            params["cursor"] = cursor
    return 0


if __name__ == "__main__":
    sys.exit(main())
