"""The first command of the README, in a copy of the source tree."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from integration.images import layout_tags
from integration.tool import inherited_environment

if TYPE_CHECKING:
    from pathlib import Path

    from integration.workspace import Workspace

SECONDS = 300


def test_the_tour_comes_to_its_end_each_time(workspace: Workspace, tmp_path: Path) -> None:
    # the tour starts Bazel by itself, without options
    settings = f"startup --output_user_root={tmp_path / 'bazel'} --max_idle_secs=60\n"
    (workspace.project / ".bazelrc.user").write_text(settings, encoding="utf-8")
    try:
        for _ in range(2):
            code, output = bazel(workspace, "run", "//examples/quickstart")
            assert code == 0, output
            assert "nothing to do: 2 of 2 tags were there" in output
            assert "prod" in layout_tags(workspace.project / "examples/quickstart/registry/app")
            assert "prod" in layout_tags(workspace.project / "examples/quickstart/registry/released")
    finally:
        bazel(workspace, "shutdown")
        (workspace.project / ".bazelrc.user").unlink()


def bazel(workspace: Workspace, *arguments: str) -> tuple[int, str]:
    """Run the launcher where the README says; returns the exit code, and all that it wrote."""
    done = subprocess.run(
        ["tools/bazel", *arguments],
        cwd=workspace.project,
        env=inherited_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return done.returncode, done.stdout
