"""A source tree with images in a layout, a lock request, and the command line run in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from registry_client.__main__ import main
from registry_client.descriptor import OCI_INDEX, OCI_MANIFEST, digest_of
from registry_client.layout import LayoutStore
from registry_client.manifest import Image

if TYPE_CHECKING:
    from pathlib import Path

DONE, FAILED, USAGE, OUT_OF_DATE = range(4)
APP = "oci-layout:app"


def image(content: str) -> Image:
    """A small image."""
    return encoded(OCI_MANIFEST, {"config": {}, "annotations": {"content": content}})


def index(content: str) -> Image:
    """An index of one platform, and of one attestation."""
    child = {"mediaType": OCI_MANIFEST, "digest": image(content).digest, "size": 1}
    platforms = [
        {"os": "linux", "architecture": "arm64", "variant": "v8"},
        {"os": "unknown", "architecture": "unknown"},
    ]
    return encoded(OCI_INDEX, {"manifests": [child | {"platform": platform} for platform in platforms]})


def encoded(media_type: str, content: dict[str, object]) -> Image:
    """An image of the layout."""
    data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **content}).encode()
    return Image(
        registry="oci-layout", repository="app", digest=digest_of(data), media_type=media_type, raw_manifest=data
    )


class Workspace:
    """A source tree with a layout and a lock request."""

    def __init__(self, root: Path) -> None:
        """Make it."""
        self.root = root
        self.lock = root / "images.lock.json"
        self.store = LayoutStore(root)
        self.store.put_image(f"{APP}:1", image("1"))
        self.store.put_image(f"{APP}:2", index("2"))
        self.declare({"one": f"{APP}:1", "two": f"{APP}:2"})

    def declare(self, images: dict[str, str], lockfile: str = "images.lock.json", **more: object) -> None:
        """Write what the rule writes."""
        request = {"images": images, "lockfile": lockfile, "target": "//:images", **more}
        (self.root / "request.json").write_text(json.dumps(request))

    def update(self, *names: str) -> int:
        """Do what ``bazel run //:images.update`` does."""
        return main(["lock", "update", "--request", "request.json", *names])

    def check(self, *options: str) -> int:
        """Do what ``bazel run //:images.check`` does."""
        return main(["check", "--request", "request.json", *options])

    @property
    def locked(self) -> dict[str, dict[str, str]]:
        """The pins of the lock."""
        pins: dict[str, dict[str, str]] = json.loads(self.lock.read_text())["images"]
        return pins

    def verify(self) -> int:
        """Do what ``bazel test //:images_test`` does."""
        return main(["lock", "verify", "--request", "request.json", *self._lockfile()])

    def pins(self, *options: str) -> int:
        """Do what ``bazel build //:images`` does."""
        files = ["--digests", "one.digest", "two.digest", "--pinned", "one.reference", "two.reference"]
        return main(
            ["lock", "pins", "--request", "request.json", *self._lockfile(), "--output", "out.json", *files, *options]
        )

    def promote(self, *tags: str, options: tuple[str, ...] = ()) -> int:
        """Do what ``bazel run //:promote`` does, for the image called one."""
        (self.root / "retag.json").write_text(json.dumps({"tags": tags, "target": "//:promote"}))
        (self.root / "reference").write_text(f"{APP}@{image('1').digest}")
        made = main(["plan", "--retag", "retag.json", "--image", "reference", "--output", "plan.json"])
        return made or main(["promote", "--plan", "plan.json", *options])

    def _lockfile(self) -> list[str]:
        return ["--lockfile", str(self.lock)] if self.lock.exists() else []
