"""Runs a command, and writes down how long it took and how much memory its largest process had.

Linux lets a process start with the peak of the one that starts it. That is why the benchmark, which is large, does not
start what it measures: this program does. It has about 9 MB if run with ``-I -S``, and no peak below that can be seen.
"""

from __future__ import annotations

import os
import sys
import time


def main() -> int:
    """Run the command line: where to write ``SECONDS BYTES``, the command, its arguments."""
    output, *command = sys.argv[1:]
    start = time.monotonic()
    process = os.posix_spawnp(command[0], command, os.environ)
    # The usage is that of the process and of all those that it has waited for; the peak is the largest one's alone.
    _, status, usage = os.wait4(process, 0)
    seconds = time.monotonic() - start
    with open(output, "w", encoding="utf-8") as file:
        file.write(f"{seconds} {usage.ru_maxrss * 1024}\n")  # Linux counts in KiB
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main())
