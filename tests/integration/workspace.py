"""A consumer's workspace with a real Bazel: the module ``examples/smoke`` in a copy of the source tree."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from integration.tool import inherited_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMAND_SECONDS = 300
_IDLE_SECONDS = 300
_PROPOSED = re.compile(r"\brun: (bazel run \S+)")
_BUILD_FILE = """\
load("@registry_rules//registry_rules:defs.bzl", "image_lock", "image_retag")

image_lock(
    name = "images",
    images = {images},
    lockfile = {lockfile},
)
"""
_RETAG = """
image_retag(
    name = "promote",
    image = ":images.{image}",
    tags = {tags},
)
"""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a Bazel command left.

    Attributes:
        code: The exit code; under ``bazel run``, that of the program.
        output: All that it wrote.
    """

    code: int
    output: str

    @property
    def complaints(self) -> list[str]:
        """What the tool says is wrong."""
        return [line for line in self.output.splitlines() if line.startswith("error: ")]

    @property
    def proposed(self) -> str:
        """The one command that the message says to run."""
        commands = set(_PROPOSED.findall(self.output))
        assert len(commands) == 1, self.output
        return str(commands.pop())


class Workspace:
    """The consumer's source tree, and the Bazel that builds it."""

    def __init__(self, scratch: Path) -> None:
        """Copy the source tree; start nothing yet.

        Args:
            scratch: An empty folder for all that comes into being.
        """
        project = self._project = scratch / "project"
        for path in map(Path, os.environ["SOURCES"].split()):
            copy = project / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, copy)
            copy.chmod(copy.stat().st_mode | 0o200)
        self.root = project / "examples/smoke"
        self._make_images()
        bazel = scratch / "bazel"
        self._bazel = [str(project / "tools/bazel"), f"--output_user_root={bazel}", f"--output_base={bazel}/base"]
        self._bazel.append(f"--max_idle_secs={_IDLE_SECONDS}")

    def bazel(self, *arguments: str, within: tuple[str, ...] = ()) -> Result:
        """Run the launcher in the workspace; nothing that it starts may ever show a Python traceback.

        Args:
            arguments: A command of Bazel, and its arguments.
            within: A program that starts the launcher, with its arguments.
        """
        done = subprocess.run(
            [*within, *self._bazel, *arguments],
            cwd=self.root,
            env=inherited_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_SECONDS,
            check=False,
        )
        assert "Traceback (most recent call last)" not in done.stdout, done.stdout
        return Result(code=done.returncode, output=done.stdout)

    def build(self, *targets: str, within: tuple[str, ...] = ()) -> Result:
        """``bazel build``."""
        return self.bazel("build", *targets, within=within)

    def test(self, *targets: str) -> Result:
        """``bazel test``, with what a failed test says."""
        return self.bazel("test", "--test_output=errors", *targets)

    def run(self, target: str, *arguments: str) -> Result:
        """``bazel run``."""
        return self.bazel("run", target, "--", *arguments)

    def type_in(self, command: str) -> Result:
        """Run a command that a message proposes, as it stands there."""
        program, *arguments = shlex.split(command)
        assert program == "bazel"
        return self.bazel(*arguments)

    def _make_images(self) -> None:
        """Make the images of the quickstart, which the workspace declares."""
        program = self._project / "examples/quickstart/make_images.py"
        environment = inherited_environment() | {"PYTHONPATH": str(self._project / "py")}
        subprocess.run([sys.executable, str(program)], cwd=self._project, env=environment, check=True)

    def built(self, path: str) -> bytes:
        """The content of a file that was built."""
        return (self.root / "bazel-bin" / path).read_bytes()

    def snapshot(self) -> dict[str, bytes]:
        """All files of the project, and of the workspace in it; those that Bazel's links lead to are none of it."""
        return {str(path): path.read_bytes() for path in self._project.rglob("*") if path.is_file()}


class Package:
    """A package of the workspace, with an ``image_lock`` called ``images``."""

    def __init__(self, workspace: Workspace, name: str) -> None:
        """Make the folder.

        Args:
            workspace: The workspace.
            name: The package's path.
        """
        self.name = name
        self.folder = workspace.root / name
        self.folder.mkdir()
        self.lock = self.folder / "images.lock.json"

    def label(self, target: str) -> str:
        """The label of one of the package's targets."""
        return f"//{self.name}:{target}"

    def layout(self, image: str) -> Path:
        """The folder of one of the package's layouts."""
        return self.folder / "registry" / image

    def reference(self, image: str, tag: str) -> str:
        """An image in one of the package's layouts."""
        return f"oci-layout:{self.name}/registry/{image}:{tag}"

    def declare(
        self,
        images: Mapping[str, str],
        *,
        lockfile: str | None = "images.lock.json",
        retag: tuple[str, list[str]] | None = None,
    ) -> None:
        """Write the BUILD file, in which ``retag`` names an image and the tags that it is to get."""
        text = _BUILD_FILE.format(images=json.dumps(images), lockfile=json.dumps(lockfile).replace("null", "None"))
        if retag is not None:
            text += _RETAG.format(image=retag[0], tags=json.dumps(retag[1]))
        (self.folder / "BUILD.bazel").write_text(text, encoding="utf-8")
