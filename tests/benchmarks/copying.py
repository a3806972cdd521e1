"""The contestant that is a library: copies an image, and prints how many seconds that took without the start."""

from __future__ import annotations

import sys
import time

from registry_client.__main__ import main

if __name__ == "__main__":
    start = time.monotonic()
    code = main(["copy", *sys.argv[1:]])
    print(time.monotonic() - start)
    sys.exit(code)
