"""A server that dies: `python -m tests.api.killed_exports FOLDER DATABASE DEATH`.

It creates one export of all rows as a zip, prints a line, and kills itself right before DEATH.
DEATH is an audit event, the name of a file and a count: "os.rename job.json 2" is the second time that a file
is renamed to job.json. With a "!" at the end, the server waits there to be killed.
"""

import asyncio
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from api.export_files import ExportRequest
from api.exports import Exports


def die_at(event: str, name: str, times: int, waits: bool) -> None:
    """Die before a file of that name is made by a rename, or removed, the given number of times."""
    seen = 0

    def see(happening: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if happening != event or Path(str(arguments[event == "os.rename"])).name != name:
            return
        seen += 1
        while seen == times:
            if not waits:
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(1)

    sys.addaudithook(see)


async def serve(folder: Path, database: Path) -> None:
    """Run one job, until the server dies."""
    exports = Exports(folder)
    await exports.start()
    request = ExportRequest(
        datetime(2020, 1, 1, tzinfo=UTC), datetime(2030, 1, 1, tzinfo=UTC), include_contract_commitments=True
    )
    exports.create(request, "platform", None, database)
    print("created", flush=True)
    await asyncio.sleep(60)


if __name__ == "__main__":
    event, name, times = sys.argv[3].rstrip("!").split()
    die_at(event, name, int(times), sys.argv[3].endswith("!"))
    asyncio.run(serve(Path(sys.argv[1]), Path(sys.argv[2])))
