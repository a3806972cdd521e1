"""Copies images with our client, with crane and with skopeo; prints requests, times, and how much memory each takes.

    tools/bazel run //tests/benchmarks:promote -- [--megabytes 2048] [--rounds 3]

It needs crane, skopeo and docker-registry, in the folder REGISTRY_RULES_TEST_TOOLS or on PATH, and room for four times
the image on disk. The machine may be busy: it asserts nothing about time.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from integration.images import OCI_MANIFEST, descriptor, digest_of, encode, large, push
from integration.promotions import AccessLog
from integration.servers import find_tool, serve_distribution
from integration.tool import inherited_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Self

LAYERS = 8
MEGABYTE = 1024 * 1024
LIBRARY, BARE = "ours, without start", "ours, no referrers"
"""Ours as a library, the time of which is without the start of its program; and ours without what refers to images."""
BLOBS = 8
"""Of the small index: two configurations, and three layers of each of its two images."""

_HERE = Path(__file__).absolute().parent
_CONFIG, _LAYER = "application/vnd.oci.image.config.v1+json", "application/vnd.oci.image.layer.v1.tar"


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """What a copy took: seconds, and bytes of memory at the peak."""

    seconds: float
    memory: int


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compares the client with others at copying images.")
    parser.add_argument("--megabytes", type=int, default=2048, help="of the image that crosses registries")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as scratch:
        _compare_requests(Path(scratch) / "requests")
        _compare_times(Path(scratch) / "times", options.megabytes, options.rounds)
        _measure_memory(Path(scratch) / "memory", options.megabytes)
    return 0


def copies(source: str, destination: str, name: str, *, everything: bool = True) -> Iterator[tuple[str, list[str]]]:
    """How each contestant copies an image: its name, and its command."""
    tool = os.environ.get("REGISTRY_TOOL")
    program = [str(Path(tool).absolute())] if tool else [sys.executable, "-m", "registry_client"]
    yield "ours", [*program, "copy", source, f"{destination}/ours{name}:1"]
    yield LIBRARY, [sys.executable, str(_HERE / "copying.py"), source, f"{destination}/library{name}:1"]
    yield BARE, [*program, "copy", "--no-referrers", source, f"{destination}/bare{name}:1"]
    yield "crane", [find_tool("crane"), "copy", "--insecure", source, f"{destination}/crane{name}:1"]
    skopeo = [find_tool("skopeo"), "--insecure-policy", "copy", "--src-tls-verify=false", "--dest-tls-verify=false"]
    if everything:
        skopeo.append("--all")
    yield "skopeo", [*skopeo, f"docker://{source}", f"docker://{destination}/skopeo{name}:1"]


def _compare_requests(folder: Path) -> None:
    folder.mkdir()
    with serve_distribution(folder, access_log=True) as registry:
        push(registry, "team/app", "1", large("app", layers=BLOBS // 2 - 1, size=1000))
        log = AccessLog(folder)
        print(f"requests for an index of 2 platforms and {BLOBS} blobs, from one repository of a registry to another:")
        for contestant, command in copies(f"{registry}/team/app:1", registry, ""):
            if contestant == LIBRARY:
                continue
            _run(command, folder)
            counts = log.counts()
            print(f"  {contestant:20} {sum(counts.values()):4}  {counts}")


def _compare_times(folder: Path, megabytes: int, rounds: int) -> None:
    best: dict[str, Usage] = {}
    with _Pair(folder) as pair:
        pair.fill(megabytes)
        for number in range(rounds):
            for contestant, command in copies(pair.image, pair.destination, str(number), everything=False):
                if contestant != BARE:
                    pair.forget()
                    usage = _run(command, folder, tells_time=contestant == LIBRARY)
                    old = best.get(contestant, usage)
                    best[contestant] = Usage(
                        seconds=min(old.seconds, usage.seconds), memory=max(old.memory, usage.memory)
                    )
    print(f"{megabytes} MiB in {LAYERS} random layers from one registry to another, the best of {rounds} rounds:")
    for contestant, usage in best.items():
        ratio = usage.seconds / best["ours"].seconds
        memory = usage.memory / 1e6
        print(f"  {contestant:20} {usage.seconds:6.2f} s  {memory:5.0f} MB  {ratio:.2f} times as long as ours")


def _measure_memory(folder: Path, megabytes: int) -> None:
    with _Pair(folder) as pair:
        pair.fill(2 * megabytes)
        _, command = next(copies(pair.image, pair.destination, ""))
        usage = _run(command, folder)
    print(f"{2 * megabytes} MiB: ours {usage.memory / 1e6:.0f} MB at the peak; at most 150 MB")


class _Pair:
    """Two registries, an image on the first one, and the second one's disk."""

    def __init__(self, folder: Path) -> None:
        """Start nothing yet."""
        self._folders = [folder / "source", folder / "destination"]
        self._servers = [serve_distribution(each) for each in self._folders]
        self.source = self.destination = ""

    def __enter__(self) -> Self:
        """Start them."""
        for folder in self._folders:
            folder.mkdir(parents=True)
        self.source, self.destination = (server.__enter__() for server in self._servers)
        return self

    def __exit__(self, *_: object) -> None:
        """Stop them, and free the disk."""
        for server, folder in zip(self._servers, self._folders, strict=True):
            server.__exit__(None, None, None)
            shutil.rmtree(folder)

    @property
    def image(self) -> str:
        """The image."""
        return f"{self.source}/big/app:1"

    def fill(self, megabytes: int) -> None:
        """Upload the image, with layers that nothing can make smaller."""
        base = f"http://{self.source}/v2/big/app"
        size = megabytes * MEGABYTE // LAYERS
        layers = [descriptor_of(os.urandom(size), base) for _ in range(LAYERS)]
        diffs = [layer["digest"] for layer in layers]
        config = encode({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diffs}})
        upload(config, base)
        manifest = {"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": descriptor(_CONFIG, config)}
        headers = {"Content-Type": OCI_MANIFEST}
        data = encode({**manifest, "layers": layers})
        requests.put(f"{base}/manifests/1", data=data, headers=headers, timeout=60).raise_for_status()

    def forget(self) -> None:
        """Empty the second registry, which would recognise what another contestant has brought."""
        shutil.rmtree(self._folders[1] / "store", ignore_errors=True)


def descriptor_of(data: bytes, base: str) -> dict[str, object]:
    """Upload a layer; returns what names it."""
    upload(data, base)
    return descriptor(_LAYER, data)


def upload(data: bytes, base: str) -> None:
    """Upload a blob."""
    started = requests.post(f"{base}/blobs/uploads/", timeout=60)
    done = requests.put(started.headers["Location"], params={"digest": digest_of(data)}, data=data, timeout=600)
    done.raise_for_status()


def _run(command: list[str], folder: Path, *, tells_time: bool = False) -> Usage:
    """Run a command by a small program that measures it; the command itself may know its time better."""
    report = folder / "usage"
    done = subprocess.run(
        [sys.executable, "-I", "-S", str(_HERE / "usage.py"), str(report), *command],
        env=inherited_environment() | {"PYTHONPATH": os.pathsep.join(sys.path), "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    seconds, memory = report.read_text(encoding="utf-8").split()
    if tells_time:
        seconds = done.stdout.split()[-1]
    return Usage(seconds=float(seconds), memory=int(memory))


if __name__ == "__main__":
    sys.exit(main())
