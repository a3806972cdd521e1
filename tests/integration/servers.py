"""Real registries on loopback, each for as long as a test needs it."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
import requests

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_START_SECONDS = 30

_DISTRIBUTION_CONFIG = """\
version: 0.1
log: {{level: warn, accesslog: {{disabled: true}}}}
storage:
  filesystem: {{rootdirectory: "{store}"}}
  delete: {{enabled: true}}
http: {{addr: "{address}"}}
"""


def find_tool(name: str) -> str:
    """The path of a program; without it, the test is skipped.

    The launcher says where the programs are in REGISTRY_RULES_TEST_TOOLS; elsewhere they are on PATH.
    """
    folder = os.environ.get("REGISTRY_RULES_TEST_TOOLS", "")
    found = shutil.which(name, path=folder or None) or shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name}, neither on PATH nor in REGISTRY_RULES_TEST_TOOLS")
    return found


@contextlib.contextmanager
def serve_distribution(folder: Path, more: str = "") -> Iterator[str]:
    """The CNCF's Distribution, the reference implementation, with more lines of configuration; gives its address."""
    program = find_tool("docker-registry")
    address = _free_address()
    config = folder / "config.yml"
    config.write_text(_DISTRIBUTION_CONFIG.format(store=folder / "store", address=address) + more, encoding="utf-8")
    with _running([program, "serve", str(config)], address, folder):
        yield address


@contextlib.contextmanager
def serve_crane(folder: Path) -> Iterator[str]:
    """The registry of go-containerregistry, in memory; gives its address."""
    program = find_tool("crane")
    address = _free_address()
    with _running([program, "registry", "serve", "--address", address], address, folder):
        yield address


SERVERS: dict[str, Callable[[Path], contextlib.AbstractContextManager[str]]] = {
    "distribution": serve_distribution,
    "crane": serve_crane,
}
"""The registries to test with: name to what starts one in a folder of its own."""


@contextlib.contextmanager
def _running(command: list[str], address: str, folder: Path) -> Iterator[None]:
    log = folder / "log"
    with log.open("wb") as output, subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT) as process:
        try:
            _wait(process, address, log)
            yield
        finally:
            process.kill()


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        with contextlib.suppress(requests.ConnectionError):
            requests.get(f"http://{address}/v2/", timeout=1)
            return
        time.sleep(0.05)
    pytest.fail(f"{address} does not answer:\n{log.read_text(encoding='utf-8', errors='replace')}")


def _free_address() -> str:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"
