"""The contestant that is a library: resolves the references that come on standard input, one a line.

It prints their digests, and at last the seconds that it took without the start of the program. It imports nothing else
than the client, so that its memory is the client's.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor

from registry_client import Client


def main() -> int:
    """Run the command line: how many to resolve at a time."""
    concurrency = int(sys.argv[1])
    references = sys.stdin.read().split()
    start = time.monotonic()
    # The client is a new one, so this includes the set-up of its connections.
    with Client() as client, ThreadPoolExecutor(concurrency) as pool:
        digests = [descriptor.digest for descriptor in pool.map(client.resolve, references)]
    seconds = time.monotonic() - start
    print(*digests, seconds, sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
