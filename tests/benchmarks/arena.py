"""A registry with images, where the contestants meet."""

from __future__ import annotations

import contextlib
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import requests
from integration.images import push, single
from integration.servers import serve_distribution

if TYPE_CHECKING:
    from collections.abc import Iterator

REPOSITORIES = 10
TAGS = 50
"""Of each repository, all for its one image."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Arena:
    """The registry, and what is known of its images.

    Attributes:
        address: The registry's.
        folder: For files.
        expected: How many tags have each digest.
    """

    address: str
    folder: Path
    expected: Counter[str]

    @property
    def references(self) -> Path:
        """The file of the references, one a line."""
        return self.folder / "references"

    @property
    def paths(self) -> Path:
        """The file of the paths of the same manifests, one a line."""
        return self.folder / "paths"


@contextlib.contextmanager
def open_arena() -> Iterator[Arena]:
    """Start a Distribution, fill it, and write down what is in it."""
    repositories = [f"team/app{number}" for number in range(1, REPOSITORIES + 1)]
    names = [(repository, tag) for tag in range(1, TAGS + 1) for repository in repositories]
    with tempfile.TemporaryDirectory() as folder, serve_distribution(Path(folder)) as address:
        # At the same time, for the network may be slow.
        with ThreadPoolExecutor(REPOSITORIES) as pool:
            digests = list(pool.map(lambda repository: _fill(address, repository), repositories))
        arena = Arena(address=address, folder=Path(folder), expected=Counter(digests * TAGS))
        arena.references.write_text("".join(f"{address}/{name}:{tag}\n" for name, tag in names), encoding="utf-8")
        arena.paths.write_text("".join(f"/v2/{name}/manifests/{tag}\n" for name, tag in names), encoding="utf-8")
        yield arena


def _fill(address: str, repository: str) -> str:
    """Push an image, and give it all its tags; returns its digest."""
    image = single(repository)
    push(address, repository, "1", image)
    with requests.Session() as session:
        session.headers["Content-Type"] = image.media_type
        for tag in range(2, TAGS + 1):
            url = f"http://{address}/v2/{repository}/manifests/{tag}"
            session.put(url, data=image.manifest, timeout=20).raise_for_status()
    return image.digest
