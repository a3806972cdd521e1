"""Copies the generated reference into the source tree: ``bazel run //docs:update``."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


def main() -> int:
    """Copy the file that is named to ``docs/rules.md``."""
    shutil.copyfile(sys.argv[1], Path(os.environ["BUILD_WORKSPACE_DIRECTORY"], "docs/rules.md"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
