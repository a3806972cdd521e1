"""The tour: from nothing to a promoted tag, by the commands that a team would type."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

PACKAGE = "//examples/quickstart"
FOLDER = Path("examples/quickstart")

STEPS = (
    ("Two images, by tag, in OCI layouts that stand in for a registry.", ["run", f"{PACKAGE}:make_images"]),
    ("Resolve the tags to digests, and write them to the lock file.", ["run", f"{PACKAGE}:images.update"]),
    ("Does the lock cover exactly what the BUILD file declares?", ["test", f"{PACKAGE}:images_test"]),
    ("Build with the pinned digests; from here on, no network.", ["build", f"{PACKAGE}/..."]),
    ("Promote: give the image of the lock the tag prod.", ["run", f"{PACKAGE}:promote"]),
    ("Once more: what is as it should be stays as it is.", ["run", f"{PACKAGE}:promote"]),
)

SHOWN = (
    FOLDER / "images.lock.json",
    Path("bazel-bin") / FOLDER / "promote.plan.json",
    Path("bazel-bin") / FOLDER / "deployment.yaml",
)


def main() -> int:
    """Run the steps in the workspace, and show what came of them."""
    workspace = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"])
    for _number, (_text, arguments) in enumerate(STEPS, start=1):
        code = bazel(workspace, *arguments)
        if code != 0:
            return code
    for _path in SHOWN:
        pass
    return 0


def bazel(workspace: Path, command: str, *arguments: str) -> int:
    """Run a command in the workspace, with the same Bazel as the one that runs this program."""
    line = ["tools/bazel", command, "--ui_event_filters=-info", "--noshow_progress", "--show_result=0", *arguments]
    shlex.join(["tools/bazel", command, *arguments])
    return subprocess.run(line, cwd=workspace, env=environment(), check=False).returncode


def environment() -> dict[str, str]:
    """The environment without what belongs to this program alone: its own runfiles, and where it was started."""
    own = ("RUNFILES_", "BUILD_W", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


if __name__ == "__main__":
    sys.exit(main())
