"""`python -m loaders`"""

import os
import sys
import threading

LARGEST_BLOCK = 8 * 2**20  # bytes; a page of 10,000 events has 3 million


def keep_freed_memory() -> None:
    """Let glibc reuse the memory of a page for the next one instead of returning it to the kernel.

    By default, a page costs 800 page faults when threads load several days at once, a tenth of the CPU time.
    glibc keeps blocks up to the size of the largest one that was freed, and twice as much on top of a heap:
    see M_MMAP_THRESHOLD in mallopt(3). Nothing is written to the block, so it takes no memory.
    """
    bytearray(LARGEST_BLOCK)


def run() -> int:
    """Run the command line. The libraries load here, so that Ctrl-C prints no traceback while they do."""
    # without this, httpx loads its own command line with rich and pygments, a quarter of the time to start
    sys.modules["httpx._main"] = None  # type: ignore[assignment]  # None makes the import fail
    try:
        from loaders.cli import main

        return main()
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    keep_freed_memory()
    code = run()
    if threading.active_count() > 1:
        # does not wait for a thread whose server is silent
        os._exit(code)
    sys.exit(code)
