"""Locks 1,000 images in 200 repositories; prints requests, spawned actions, and times beside what they compare with.

    tools/bazel run //tests/benchmarks:lock

It needs docker-registry, in the folder REGISTRY_RULES_TEST_TOOLS or on PATH, and runs the launcher of the source tree
in a workspace of its own. It asserts nothing about time, as the machine may be busy.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import requests
from integration.images import push, single
from integration.servers import serve_distribution
from integration.tool import inherited_environment

REPOSITORIES = 200
TAGS = 5
IMAGES = REPOSITORIES * TAGS
CONCURRENCY = 16
ROUNDS = 3

_HERE = Path(__file__).absolute().parent
_SOURCES = Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or _HERE.parents[1])
_MODULE = """\
module(name = "locks")
bazel_dep(name = "registry_rules")
local_path_override(module_name = "registry_rules", path = {path})
"""
_LOCK = """\
load("@registry_rules//registry_rules:defs.bzl", "image_lock")
image_lock(name = "images", lockfile = "images.lock.json", images = {images})
"""
_FILEGROUPS = '[filegroup(name = "images%d" % number, srcs = ["images.txt"]) for number in range({count})]\n'


@dataclass(frozen=True, kw_only=True, slots=True)
class Workspace:
    """The workspace of the benchmark: package ``lock`` with the lock, ``groups`` with as many filegroups."""

    root: Path
    output: Path

    def bazel(self, *arguments: str) -> str:
        """Run the launcher; returns what it wrote."""
        command = [str(_SOURCES / "tools/bazel"), f"--output_user_root={self.output}", *arguments]
        return _run(command, cwd=self.root)

    def spawned(self, *arguments: str) -> Counter[str]:
        """Run the launcher; returns how many actions of each kind became a process."""
        log = self.root.parent / "execution.json"
        self.bazel(*arguments[:1], f"--execution_log_json_file={log}", *arguments[1:])
        # the values stand one after the other, without a list around them
        return Counter(re.findall(r'^  "mnemonic": "(\w+)"', log.read_text(encoding="utf-8"), re.MULTILINE))

    def analysis_seconds(self, package: str, attempt: int) -> float:
        """How long it takes to load and analyse a package that has just changed."""
        with (self.root / package / "BUILD.bazel").open("a", encoding="utf-8") as file:
            file.write(f"# {attempt}\n")
        start = time.monotonic()
        self.bazel("build", "--nobuild", f"--define=attempt={attempt}", f"//{package}:all")
        return time.monotonic() - start


def main() -> int:
    """Run the benchmark."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch) / "registry"
        folder.mkdir()
        with serve_distribution(folder, access_log=True) as registry:
            images = _fill(registry)
            workspace = _make_workspace(Path(scratch), images)
            try:
                _measure_update(workspace, images, folder / "log")
            finally:
                workspace.bazel("shutdown")
    return 0


def _measure_update(workspace: Workspace, images: dict[str, str], log: Path) -> None:
    workspace.bazel("run", "//lock:images.update")
    lock = workspace.root / "lock/images.lock.json"
    before = lock.stat().st_mtime_ns
    print(f"images                          {IMAGES} in {REPOSITORIES} repositories")
    print(f"lock                            {lock.stat().st_size} bytes")

    library = min(_library_seconds(images) for _ in range(ROUNDS))
    seen = _requests(log)
    update = min(_update_seconds(workspace) for _ in range(ROUNDS))
    counted = {kind: count // ROUNDS for kind, count in (_requests(log) - seen).items()}
    written = "stayed" if lock.stat().st_mtime_ns == before else "was WRITTEN"
    print(f"update, nothing changed         {counted}; the file {written}")
    print(f"client's resolving alone        {library:.2f} s")
    print(f"update with its start           {update:.2f} s: {update - library:.2f} s more; at most 3 s more")

    print(f"build, lock and {IMAGES} images     spawned {_counts(workspace.spawned('build', '//lock:all'))}; at most 1")
    print(f"build again                     spawned {_counts(workspace.spawned('build', '//lock:all'))}; at most 0")
    workspace.bazel("test", "//lock:images_test")
    print(
        f"images_test again               spawned {_counts(workspace.spawned('test', '//lock:images_test'))}; at most 0"
    )

    pairs = [
        [workspace.analysis_seconds(package, attempt) for package in ("lock", "groups")] for attempt in range(ROUNDS)
    ]
    ours, groups = (min(times) for times in zip(*pairs, strict=True))
    print(
        f"load and analyse                {ours:.2f} s, {IMAGES} filegroups {groups:.2f} s: ratio {ours / groups:.2f}"
    )


def _fill(registry: str) -> dict[str, str]:
    """Push an image into each repository, and give it all its tags; returns what to declare."""

    def fill(number: int) -> None:
        image = single(f"image {number}")
        push(registry, f"team/app{number}", "1", image)
        headers = {"Content-Type": image.media_type}
        for tag in range(2, TAGS + 1):
            url = f"http://{registry}/v2/team/app{number}/manifests/{tag}"
            requests.put(url, data=image.manifest, headers=headers, timeout=20).raise_for_status()

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        list(pool.map(fill, range(REPOSITORIES)))
    return {
        f"app{number}_{tag}": f"{registry}/team/app{number}:{tag}"
        for number in range(REPOSITORIES)
        for tag in range(1, TAGS + 1)
    }


def _make_workspace(scratch: Path, images: dict[str, str]) -> Workspace:
    root = scratch / "workspace"
    files = {
        ".bazelversion": (_SOURCES / ".bazelversion").read_text(encoding="utf-8"),
        "MODULE.bazel": _MODULE.format(path=json.dumps(str(_SOURCES))),
        "lock/BUILD.bazel": _LOCK.format(images=json.dumps(images)),
        "groups/BUILD.bazel": _FILEGROUPS.format(count=IMAGES),
        "groups/images.txt": "",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return Workspace(root=root, output=scratch / "bazel")


def _library_seconds(images: dict[str, str]) -> float:
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(_HERE / "library.py"), str(CONCURRENCY)]
    return float(_run(command, environment=environment, given="\n".join(images.values())).split()[-1])


def _update_seconds(workspace: Workspace) -> float:
    """Start the tool as ``bazel run //lock:images.update`` does, but without Bazel."""
    binary = workspace.root / "bazel-bin/lock/images.update"
    request = Path(f"{binary}.request.json")
    environment = {
        "BUILD_WORKSPACE_DIRECTORY": str(workspace.root),
        "REGISTRY_RULES_ARGS": json.dumps(["lock", "update", "--request", str(request)]),
    }
    start = time.monotonic()
    _run([str(binary)], environment=environment)
    return time.monotonic() - start


def _requests(log: Path) -> Counter[str]:
    """How many requests of each method the registry has logged."""
    return Counter(re.findall(r'"(GET|HEAD|PUT|POST|PATCH) /v2/', log.read_text(encoding="utf-8", errors="replace")))


def _counts(spawned: Counter[str]) -> str:
    return ", ".join(f"{count} {mnemonic}" for mnemonic, count in spawned.items()) or "0"


def _run(
    command: list[str], *, cwd: Path | None = None, environment: dict[str, str] | None = None, given: str = ""
) -> str:
    done = subprocess.run(
        command,
        cwd=cwd,
        env=inherited_environment() | (environment or {}),
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
