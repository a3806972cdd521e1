"""The program ``//py:registry``, run as the rules run it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

_OWN = ("RUNFILES_", "PYTHON", "TEST_", "BUILD_W", "REGISTRY_RULES_ARGS")
"""How the variables start that belong to the test itself."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a program left.

    Attributes:
        code: The exit code.
        stdout: Its results.
        stderr: What it says to people.
    """

    code: int
    stdout: str
    stderr: str

    @property
    def lines(self) -> list[list[str]]:
        """The words of each line of the results."""
        return [line.split() for line in self.stdout.splitlines()]

    @property
    def outcomes(self) -> list[tuple[str, str, str, str]]:
        """The table of an update: name, what happened, old and new digest."""
        rows = [line.split() for line in self.stdout.splitlines()[1:]]
        return [(row[0], row[-1], row[2], row[-2]) for row in rows]

    @property
    def edges(self) -> list[tuple[str, str, str]]:
        """The table of a promotion: destination, new digest, what happened."""
        rows = [re.split("  +", line.strip()) for line in self.stdout.splitlines()]
        return [(place, digest.split()[-1], happened) for place, digest, happened in rows if place != "destination"]

    @property
    def complaints(self) -> list[str]:
        """The lines that say what is wrong."""
        return [line for line in self.stderr.splitlines() if line.startswith("error: ")]


def inherited_environment() -> dict[str, str]:
    """The environment without what belongs to the test itself."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}


class Tool:
    """The tool in a workspace."""

    def __init__(self, workspace: Path) -> None:
        """Run nothing yet.

        Args:
            workspace: The folder that stands for the source tree.
        """
        self.workspace = workspace
        self._scratch = workspace.parent / f"{workspace.name}.requests"
        self._scratch.mkdir()
        self._program = Path(os.environ["REGISTRY_TOOL"]).absolute()

    def run(self, *arguments: str, rule: tuple[str, ...] = (), seconds: float = 60) -> Result:
        """Run the tool.

        Args:
            arguments: What a person types.
            rule: What a rule puts before that, in the environment.
            seconds: How long it may take.
        """
        environment = inherited_environment() | {"BUILD_WORKSPACE_DIRECTORY": str(self.workspace)}
        if rule:
            environment["REGISTRY_RULES_ARGS"] = json.dumps(rule)
        command = [str(self._program), *arguments]
        done = subprocess.run(
            command, env=environment, cwd=self._scratch, capture_output=True, text=True, timeout=seconds, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Result(code=done.returncode, stdout=done.stdout, stderr=done.stderr)

    def update(self, images: dict[str, str], *names: str) -> Result:
        """Do what ``bazel run //:images.update -- NAMES`` does."""
        return self.run(*names, rule=("lock", "update", "--request", self._lock_request(images)))

    def verify(self, images: dict[str, str]) -> Result:
        """Do what ``bazel test //:images_test`` does."""
        return self.run(rule=("lock", "verify", "--request", self._lock_request(images), *self._lockfile()))

    def pins(self, images: dict[str, str]) -> tuple[Result, dict[str, tuple[str, str]]]:
        """Do what ``bazel build //:images`` does; gives each image's digest and pinned reference."""
        names = sorted(images)
        digests = [self._scratch / f"{name}.digest" for name in names]
        references = [self._scratch / f"{name}.reference" for name in names]
        lines = ["lock", "pins", "--request", self._lock_request(images), *self._lockfile()]
        lines += ["--output", str(self._scratch / "images.lock.json")]
        lines += ["--digests", *map(str, digests), "--pinned", *map(str, references)]
        result = self.run(f"@{self._write('pins.params', chr(10).join(lines))}")
        if result.code:
            return result, {}
        pairs = zip(digests, references, strict=True)
        return result, dict(zip(names, [(d.read_text(), r.read_text()) for d, r in pairs], strict=True))

    def plan(self, reference: str, *tags: str, policy: dict[str, object] | None = None, **declared: object) -> Path:
        """Do what ``bazel build //:promote`` does; gives the plan.

        Args:
            reference: The image, by digest.
            tags: The tags that it is to have.
            policy: The policy.
            declared: What else is declared, as it is in the request.
        """
        request = {"tags": tags, "target": "//:promote", **declared}
        return self.plan_of([(reference, request)], policy)

    def plan_of(self, retags: list[tuple[str, dict[str, object]]], policy: dict[str, object] | None = None) -> Path:
        """Do what ``bazel build`` of an ``image_promotion`` does: takes images and what is declared of each."""
        output = self._scratch / "promote.plan.json"
        lines = ["plan", "--output", str(output)]
        for number, (reference, declared) in enumerate(retags):
            lines += ["--retag", self._write(f"{number}.request.json", json.dumps(declared))]
            lines += ["--image", self._write(f"{number}.reference", reference)]
            if policy is not None:
                lines += ["--policy", self._write("policy.json", json.dumps(policy))]
        result = self.run(f"@{self._write('plan.params', chr(10).join(lines))}")
        assert result.code == 0, result.stderr
        return output

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Start the tool, as the leader of a group of processes of its own."""
        environment = inherited_environment() | {"BUILD_WORKSPACE_DIRECTORY": str(self.workspace)}
        return subprocess.Popen(
            [str(self._program), *arguments],
            env=environment,
            cwd=self._scratch,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def promote(self, plan: Path, *arguments: str, seconds: float = 60) -> Result:
        """Do what ``bazel run //:promote`` does."""
        return self.run(*arguments, rule=("promote", "--plan", str(plan)), seconds=seconds)

    @property
    def lock(self) -> Path:
        """The lock file."""
        return self.workspace / "images.lock.json"

    def _lockfile(self) -> tuple[str, ...]:
        return ("--lockfile", str(self.lock)) if self.lock.exists() else ()

    def _lock_request(self, images: dict[str, str]) -> str:
        request = {"images": images, "lockfile": self.lock.name, "target": "//:images"}
        return self._write("images.request.json", json.dumps(request))

    def _write(self, name: str, text: str) -> str:
        path = self._scratch / name
        path.write_text(text, encoding="utf-8")
        return str(path)
