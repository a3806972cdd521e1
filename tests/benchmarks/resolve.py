"""Resolves 500 tags with our client, with crane and with oras; prints how fast each is, and how much memory it takes.

    REGISTRY_RULES_TEST_TOOLS=FOLDER PYTHONPATH=py:tests python tests/benchmarks/resolve.py

It needs crane, oras, wrk and docker-registry, in that folder or on PATH, and runs on Linux. It asserts nothing about
time, as the machine may be busy: after a run it exits with 0, and with 2 if a program is missing.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from benchmarks.arena import REPOSITORIES, TAGS, Arena, open_arena
from integration.servers import find_tool
from integration.tool import inherited_environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONCURRENCY = 16
ROUNDS = 3
WRK_SECONDS = 3
ROUND_TRIP = 0.05
"""Seconds of a round trip where the network is slow."""

PROGRAMS = ("crane", "docker-registry", "oras", "wrk", "xargs")
TARGETS = (
    ("ours (library)", "crane", "at least 4"),
    ("ours (command)", "crane", "at least 4"),
    ("ours (library)", "oras", "at least 4"),
    ("ours (library)", "wrk", "at least 0.5"),
)
NOTES = """\
The library's time is without the start of its program, all others' with it. crane and oras are started by xargs, once a
reference: their peak is that of the largest single process. wrk cannot do HEAD, and gets the manifests themselves.
"""

_HERE = Path(__file__).absolute().parent
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Result:
    """How one contestant did in one round.

    Attributes:
        references: How many it resolved.
        seconds: How long that took.
        memory: The peak of its largest process, in bytes.
    """

    references: int
    seconds: float
    memory: int

    @property
    def rate(self) -> float:
        """References a second."""
        return self.references / self.seconds


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description="Compares the client with others at resolving tags.")
    parser.parse_args()
    missing = [name for name in PROGRAMS if not _is_there(name)]
    if missing:
        where = "neither in the folder REGISTRY_RULES_TEST_TOOLS nor on PATH"
        print(f"The benchmark needs programs that are {where}: {', '.join(missing)}.", file=sys.stderr)
        return 2
    _compare()
    _measure_slow_network()
    return 0


def _is_there(name: str) -> bool:
    # find_tool looks in the same places, but skips the test that is running, and this is none.
    folder = os.environ.get("REGISTRY_RULES_TEST_TOOLS", "")
    return any(shutil.which(name, path=path) for path in (folder or None, None))


def _library(arena: Arena) -> Result:
    command = _python(str(_HERE / "library.py"), str(CONCURRENCY))
    output, _, memory = _run(arena, command)
    _check(arena, output, command)
    return Result(references=arena.expected.total(), seconds=float(output.split()[-1]), memory=memory)


def _command(arena: Arena) -> Result:
    tool = os.environ.get("REGISTRY_TOOL")
    program = [str(Path(tool).absolute())] if tool else _python("-m", "registry_client")
    return _of_all(arena, [*program, "resolve", f"@{arena.references}"])


def _crane(arena: Arena) -> Result:
    return _of_all(arena, ["xargs", f"-P{CONCURRENCY}", "-n1", find_tool("crane"), "digest", "--insecure"])


def _oras(arena: Arena) -> Result:
    return _of_all(arena, ["xargs", f"-P{CONCURRENCY}", "-n1", find_tool("oras"), "resolve", "--plain-http"])


def _wrk(arena: Arena) -> Result:
    load = [find_tool("wrk"), "-t2", f"-c{CONCURRENCY}", f"-d{WRK_SECONDS}s", "-s", str(_HERE / "manifests.lua")]
    output, _, memory = _run(arena, [*load, f"http://{arena.address}", "--", str(arena.paths)])
    done = re.search(r"(\d+) requests in ([\d.]+)s", output)
    if done is None or re.search(r"Non-2xx|Socket errors", output):
        message = f"wrk did not get all manifests:\n{output}"
        raise RuntimeError(message)
    return Result(references=int(done[1]), seconds=float(done[2]), memory=memory)


CONTESTANTS: dict[str, Callable[[Arena], Result]] = {
    "ours (library)": _library,
    "ours (command)": _command,
    "crane": _crane,
    "oras": _oras,
    "wrk": _wrk,
}


def _compare() -> None:
    """Let the contestants take turns, so that a busy minute of the machine meets them all; print the best of each."""
    with open_arena() as arena:
        rounds = [{name: run(arena) for name, run in CONTESTANTS.items()} for _ in range(ROUNDS)]
    best = {name: max((each[name] for each in rounds), key=lambda result: result.rate) for name in CONTESTANTS}
    print(f"{REPOSITORIES} x {TAGS} tags on one Distribution, {CONCURRENCY} at a time; best of {ROUNDS} rounds.")
    print(f"The registry shares {os.cpu_count()} cores with the contestants.\n")
    print(f"{'contestant':<16}{'references':>12}{'seconds':>10}{'per second':>12}{'peak MB':>10}")
    for name, result in best.items():
        memory = result.memory / 1e6
        print(f"{name:<16}{result.references:>12}{result.seconds:>10.2f}{result.rate:>12.0f}{memory:>10.1f}")
    print(f"\n{NOTES}")
    print(f"{'ratio of the rates':<24}{'measured':>10}  target")
    for ours, other, target in TARGETS:
        print(f"{f'{ours} / {other}':<24}{best[ours].rate / best[other].rate:>10.2f}  {target}")


def _measure_slow_network() -> None:
    with open_arena() as arena, _slowed(arena) as slow:
        trip = min(_round_trip(slow) for _ in range(ROUNDS))
        best = min((_library(slow) for _ in range(ROUNDS)), key=lambda result: result.seconds)
    trips, ideal = best.seconds / ROUND_TRIP, math.ceil(best.references / CONCURRENCY)
    print(f"\nours (library), round trips of {ROUND_TRIP * 1000:g} ms (measured: {trip * 1000:.0f} ms), set-up of")
    print(f"connections included, best of {ROUNDS} rounds:")
    print(
        f"{best.seconds:.2f} s = {trips:.1f} round trips; ideal {ideal}; ratio {trips / ideal:.2f}, target at most 1.5"
    )


@contextlib.contextmanager
def _slowed(arena: Arena) -> Iterator[Arena]:
    """The same registry at the far end of a slow network."""
    command = [sys.executable, str(_HERE / "slow_relay.py"), arena.address, str(ROUND_TRIP)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as relay:
        assert relay.stdout is not None
        address = relay.stdout.readline().strip()
        slow = replace(arena, address=address, folder=arena.folder / "slow")
        slow.folder.mkdir()
        slow.references.write_text(
            arena.references.read_text(encoding="utf-8").replace(arena.address, address), encoding="utf-8"
        )
        try:
            yield slow
        finally:
            relay.terminate()


def _round_trip(arena: Arena) -> float:
    """The seconds from a request to its answer, on a connection that is open."""
    with requests.Session() as session:
        for _ in range(2):
            start = time.monotonic()
            session.get(f"http://{arena.address}/v2/", timeout=10)
    return time.monotonic() - start


def _of_all(arena: Arena, command: list[str]) -> Result:
    """The result of a command that prints the digests of all references."""
    output, seconds, memory = _run(arena, command)
    _check(arena, output, command)
    return Result(references=arena.expected.total(), seconds=seconds, memory=memory)


def _check(arena: Arena, output: str, command: list[str]) -> None:
    """Refuse a result that is fast because it is wrong."""
    if Counter(_DIGEST.findall(output)) != arena.expected:
        message = f"not the digest of each tag, by {' '.join(command)}:\n{output[-2000:]}"
        raise RuntimeError(message)


def _run(arena: Arena, command: list[str]) -> tuple[str, float, int]:
    """Run a command with the references as its input; returns what it prints, its seconds, and its peak in bytes."""
    usage = arena.folder / "usage"
    measured = [sys.executable, "-I", "-S", str(_HERE / "usage.py"), str(usage), *command]
    with arena.references.open("rb") as references:
        done = subprocess.run(
            measured, stdin=references, stdout=subprocess.PIPE, env=inherited_environment(), check=True
        )
    seconds, memory = usage.read_text(encoding="utf-8").split()
    return done.stdout.decode(), float(seconds), int(memory)


def _python(*arguments: str) -> list[str]:
    """Run Python so that it finds the modules that this program finds."""
    return ["env", f"PYTHONPATH={os.pathsep.join(sys.path)}", sys.executable, *arguments]


if __name__ == "__main__":
    sys.exit(main())
