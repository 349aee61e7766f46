"""`python -m loaders`"""

import os
import sys

from loaders.cli import INTERRUPTED, main

if __name__ == "__main__":
    code = main()
    if code == INTERRUPTED:
        # a thread may still wait for a silent server; what it would bring is not wanted any more
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
