"""`python -m loaders`"""

import os
import sys
import threading


def run() -> int:
    """The command line. Its libraries load in here, so that Ctrl-C meanwhile is no traceback either."""
    # httpx would load a command line of its own, with rich and pygments: a quarter of the time to start
    sys.modules["httpx._main"] = None  # type: ignore[assignment]
    try:
        from loaders.cli import main

        return main()
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    code = run()
    if threading.active_count() > 1:
        # a thread still waits for a silent server; what it would bring is not wanted any more
        os._exit(code)
    sys.exit(code)
