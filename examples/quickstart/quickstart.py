"""The tour: from nothing to a promoted tag, by the commands that a team would type."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

PACKAGE = "//examples/quickstart"
SOURCES = Path("examples/quickstart")
OUTPUTS = Path("bazel-bin/examples/quickstart")

PROMOTE = ["run", f"{PACKAGE}:promote", "--"]
RECEIPT = ["--receipt", f"{SOURCES}/registry/promote.receipt.json"]

STEPS = (
    ("Two images, by tag, in OCI layouts that stand in for a registry.", ["run", f"{PACKAGE}:make_images"]),
    ("Resolve the tags to digests, and write them to the lock file.", ["run", f"{PACKAGE}:images.update"]),
    ("Does the lock cover exactly what the BUILD file declares?", ["test", f"{PACKAGE}:images_test"]),
    ("Build with the pinned digests: a genrule, a YAML file, the plan.", ["build", f"{PACKAGE}/..."]),
    ("Promote: give the image of the lock the tag prod, here and in another repository.", [*PROMOTE, *RECEIPT]),
    ("Undo it, by the receipt.", [*PROMOTE, "--rollback", RECEIPT[1]]),
    ("Promote again.", [*PROMOTE, *RECEIPT]),
    ("Once more: what is as it should be stays as it is.", PROMOTE),
)
SHOWN = (SOURCES / "images.lock.json", OUTPUTS / "promote.plan.json", OUTPUTS / "deployment.yaml")
QUIET = ("--ui_event_filters=-info", "--noshow_progress", "--show_result=0")


def main() -> int:
    """Run the steps in the workspace, and show what came of them."""
    workspace = Path(os.environ["BUILD_WORKSPACE_DIRECTORY"])
    for number, (text, arguments) in enumerate(STEPS, start=1):
        print(f"\n{number}. {text}", flush=True)
        if "--receipt" in arguments:
            # one by which something can be undone is never written over
            (workspace / RECEIPT[1]).unlink(missing_ok=True)
        code = bazel(workspace, *arguments)
        if code != 0:
            print(f"the step failed with exit code {code}", file=sys.stderr)
            return code
    for path in SHOWN:
        print(f"\n{path}:\n{(workspace / path).read_text(encoding='utf-8')}", end="")
    return 0


def bazel(workspace: Path, command: str, *arguments: str) -> int:
    """Run a command in the workspace, by the launcher that started this program."""
    print(f"   $ {shlex.join(['tools/bazel', command, *arguments])}", flush=True)
    line = ["tools/bazel", command, *QUIET, *arguments]
    return subprocess.run(line, cwd=workspace, env=environment(), check=False).returncode


def environment() -> dict[str, str]:
    """The environment without what belongs to this program alone: its runfiles, and where it was started."""
    own = ("RUNFILES_", "BUILD_W", "PYTHON")
    return {name: value for name, value in os.environ.items() if not name.startswith(own)}


if __name__ == "__main__":
    sys.exit(main())
