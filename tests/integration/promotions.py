"""What the tests of promotions share: what registries saw, what other clients see, and registries with faults."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections import Counter
from typing import TYPE_CHECKING, Any

from integration.servers import find_tool
from integration.tool import inherited_environment

if TYPE_CHECKING:
    from pathlib import Path

_LOGGED = re.compile(r'"(GET|HEAD|PUT|POST|PATCH|DELETE) (/v2/\S*) HTTP')


class AccessLog:
    """What a Distribution has logged since it was last asked."""

    def __init__(self, folder: Path) -> None:
        """Start from now on.

        Args:
            folder: The registry's.
        """
        self._log = folder / "log"
        self._seen = 0
        self.requests()

    def requests(self) -> list[tuple[str, str]]:
        """Method and path of each request since the last time."""
        found = _LOGGED.findall(self._log.read_text(encoding="utf-8", errors="replace"))
        new, self._seen = found[self._seen :], len(found)
        return new

    def counts(self) -> dict[str, int]:
        """How many requests of each method there were since the last time."""
        return dict(Counter(method for method, _ in self.requests()))


def crane(*arguments: str) -> str:
    """What crane says."""
    return _said("crane", *arguments, "--insecure")


def pull_by_crane(image: str, folder: Path) -> None:
    """Let crane pull all of an image, which fails if a part of it is not there or is not what its digest says."""
    _said("crane", "pull", "--insecure", "--format=oci", image, str(folder))


def skopeo(source: str, destination: str) -> None:
    """Let skopeo copy an image, with all its platforms."""
    options = ["--all", "--src-tls-verify=false", "--dest-tls-verify=false"]
    _said("skopeo", "--insecure-policy", "copy", *options, f"docker://{source}", f"docker://{destination}")


def referrers_by_oras(image: str) -> list[dict[str, Any]]:
    """What oras finds to refer to an image."""
    said = json.loads(_said("oras", "discover", "--plain-http", "--format", "json", image))
    found: list[dict[str, Any]] = said.get("referrers") or said.get("manifests") or []
    return found


def attach_by_oras(image: str, artifact_type: str, content: str, folder: Path) -> None:
    """Let oras attach an artifact to an image."""
    (folder / "artifact").write_text(content, encoding="utf-8")
    _said("oras", "attach", "--plain-http", "--artifact-type", artifact_type, image, "artifact:text/plain", cwd=folder)


def _said(program: str, *arguments: str, cwd: Path | None = None) -> str:
    done = subprocess.run(
        [find_tool(program), *arguments],
        env=inherited_environment() | {"HOME": tempfile.gettempdir()},  # some do not start without one
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, f"{program} {arguments}: {done.stdout}{done.stderr}"
    return done.stdout.strip()
