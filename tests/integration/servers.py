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
log: {{level: warn, accesslog: {{disabled: {quiet}}}}}
storage:
  filesystem: {{rootdirectory: "{store}"}}
  delete: {{enabled: true}}
http: {{addr: "{address}", {http}}}
"""

USER, PASSWORD = "robot", "correct-horse-7"
"""Who may log in where there is ``htpasswd``."""
_BCRYPT = "$2b$04$4KqDQEvaxoAcv4J2oeLN4u9mXVYhIAcw/vWJvSCO3hu9bL/KDgPEO"


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
def serve_distribution(folder: Path, more: str = "", *, http: str = "", access_log: bool = False) -> Iterator[str]:
    """The CNCF's Distribution, the reference implementation; gives its address.

    Args:
        folder: Where its configuration, its log and its images are.
        more: More lines of configuration.
        http: More entries of the section ``http``.
        access_log: Whether each request gets a line in ``folder/log``.
    """
    program = find_tool("docker-registry")
    address = _free_address()
    config = folder / "config.yml"
    quiet = str(not access_log).lower()
    text = _DISTRIBUTION_CONFIG.format(store=folder / "store", address=address, http=http, quiet=quiet)
    config.write_text(text + more, encoding="utf-8")
    with _running([program, "serve", str(config)], address, folder):
        yield address


def htpasswd(folder: Path, user: str = USER) -> str:
    """The configuration of a Distribution that wants to be told a user and ``PASSWORD``."""
    path = folder / "htpasswd"
    path.write_text(f"{user}:{_BCRYPT}\n", encoding="utf-8")
    return f'auth: {{htpasswd: {{realm: tests, path: "{path}"}}}}\n'


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
