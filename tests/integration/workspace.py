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

from integration.servers import find_tool
from integration.tool import inherited_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

_COMMAND_SECONDS = 300
_IDLE_SECONDS = 300
_PROPOSED = re.compile(r"\brun: (bazel .+)$", re.MULTILINE)
# Bazel has "ERROR: " in front of Starlark's, which fail() always gives.
_PYTHON_TRACEBACK = re.compile(r"^Traceback \(most recent call last\)", re.MULTILINE)
_BUILD_FILE = """\
load("@registry_rules//registry_rules:defs.bzl", "image_lock", "image_promotion", "image_retag")

image_lock(
    name = "images",
    images = {images},
    {attributes}
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
    """The consumer's source tree, and the Bazel that builds it.

    Attributes:
        project: The copy of the whole source tree.
        root: The consumer's module in it.
    """

    def __init__(self, scratch: Path) -> None:
        """Copy the source tree; start nothing yet.

        Args:
            scratch: An empty folder for all that comes into being.
        """
        project = self.project = scratch / "project"
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
        assert not _PYTHON_TRACEBACK.search(done.stdout), done.stdout
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
        return self.bazel(*shlex.split(command)[1:])

    def git(self, *arguments: str) -> Result:
        """Run git in the workspace, which is a repository of its own."""
        settings = ["-c", "user.name=nobody", "-c", "user.email=nobody@localhost", "-c", "init.defaultBranch=main"]
        done = subprocess.run(
            [find_tool("git"), *settings, *arguments],
            cwd=self.root,
            env=inherited_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return Result(code=done.returncode, output=done.stdout)

    def _make_images(self) -> None:
        """Make the images of the quickstart, which the workspace declares."""
        program = self.project / "examples/quickstart/make_images.py"
        environment = inherited_environment() | {"PYTHONPATH": str(self.project / "py")}
        subprocess.run([sys.executable, str(program)], cwd=self.project, env=environment, check=True)

    def built(self, path: str) -> bytes:
        """The content of a file that was built."""
        return (self.root / "bazel-bin" / path).read_bytes()

    def snapshot(self) -> dict[str, bytes]:
        """All files of the project, and of the workspace in it; those that Bazel's links lead to are none of it."""
        return {str(path): path.read_bytes() for path in self.project.rglob("*") if path.is_file()}


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
        more: str = "",
        **attributes: object,
    ) -> None:
        """Write the BUILD file, in which ``retag`` names an image and the tags that it is to get; ``more`` follows."""
        given = ({"lockfile": lockfile} if lockfile else {}) | attributes
        lines = [f"{name} = {json.dumps(value)}," for name, value in given.items()]
        text = _BUILD_FILE.format(images=json.dumps(images), attributes="\n    ".join(lines))
        if retag is not None:
            text += _RETAG.format(image=retag[0], tags=json.dumps(retag[1]))
        (self.folder / "BUILD.bazel").write_text(text + more, encoding="utf-8")


def images_of(package: Package) -> dict[str, str]:
    """What the packages of the tests declare."""
    return {"app": package.reference("app", "1.0"), "base": package.reference("base", "1.0")}


def succeeds(result: Result) -> Result:
    """Say that a command does what it should; returns its result."""
    assert result.code == 0, result.output
    return result


def fails(result: Result, code: int, *said: str) -> Result:
    """Say that a command fails as it should, and says why; returns its result."""
    assert result.code == code, result.output
    for text in said:
        assert text in result.output
    return result
