"""Runs pytest for a Bazel test: over the files named, or all of the folder named, below the folder of the tests.

Every single test gets into Bazel's own record of results, so that they can be counted.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent


def main(arguments: list[str]) -> int:
    """Run pytest.

    Args:
        arguments: Files and folders relative to the folder of the tests, and options of pytest.

    Returns:
        The exit code, in which no test at all is a failure too.
    """
    chosen = [item if item.startswith("-") else str(TESTS / item) for item in arguments]
    options = ["-p", "no:cacheprovider", "--import-mode=importlib", "-ra", f"--rootdir={TESTS}"]
    scratch = os.environ.get("TEST_TMPDIR")
    if scratch:
        options.append(f"--basetemp={scratch}/pytest")
    report = os.environ.get("XML_OUTPUT_FILE")
    if report:
        options.append(f"--junitxml={report}")
    wanted = os.environ.get("TESTBRIDGE_TEST_ONLY")
    if wanted:
        options += ["-k", wanted]
    return int(pytest.main([*options, *chosen]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
