"""Makes the two images of the example in OCI layouts below this folder; the same bytes every time."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from registry_client import Descriptor, Image, ImageReference, LayoutStore, parse_reference
from registry_client.descriptor import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, digest_of

if TYPE_CHECKING:
    from collections.abc import Mapping

HOME = "oci-layout:examples/quickstart/registry"
EMPTY_TAR = bytes(10240)


def main() -> int:
    """Make an image for two platforms, and one for a single platform."""
    store = LayoutStore(Path(os.environ.get("BUILD_WORKSPACE_DIRECTORY") or Path.cwd()))
    app = parse_reference(f"{HOME}/app:1.4")
    store.put_image(app, make_index(store, app, ["amd64", "arm64"]))
    base = parse_reference(f"{HOME}/base:bookworm")
    store.put_image(base, make_image(store, base, "amd64"))
    for image in (app, base):
        print(image, store.resolve(image).digest)
    return 0


def make_index(store: LayoutStore, reference: ImageReference, architectures: list[str]) -> Image:
    """Put an image for each architecture into a layout, and make the index of them."""
    manifests = []
    for architecture in architectures:
        image = make_image(store, reference, architecture)
        store.put_image(reference.pinned(image.digest), image)
        platform = {"architecture": architecture, "os": "linux"}
        manifests.append(to_json(image.descriptor, OCI_MANIFEST) | {"platform": platform})
    return as_image(reference, OCI_INDEX, {"manifests": manifests})


def make_image(store: LayoutStore, reference: ImageReference, architecture: str) -> Image:
    """Put a configuration and an empty layer into a layout, and make the manifest of them."""
    rootfs = {"type": "layers", "diff_ids": [digest_of(EMPTY_TAR)]}
    config = store.put_blob(reference, encode({"architecture": architecture, "os": "linux", "rootfs": rootfs}))
    layer = store.put_blob(reference, EMPTY_TAR)
    content = {"config": to_json(config, OCI_CONFIG), "layers": [to_json(layer, OCI_LAYER)]}
    return as_image(reference, OCI_MANIFEST, content)


def as_image(reference: ImageReference, media_type: str, content: Mapping[str, object]) -> Image:
    """Encode a manifest or an index."""
    data = encode({"schemaVersion": 2, "mediaType": media_type, **content})
    return Image(
        registry=reference.registry,
        repository=reference.repository,
        digest=digest_of(data),
        media_type=media_type,
        raw_manifest=data,
    )


def to_json(descriptor: Descriptor, media_type: str) -> dict[str, object]:
    """A descriptor as it is in a manifest."""
    return {"mediaType": media_type, "digest": descriptor.digest, "size": descriptor.size}


def encode(value: object) -> bytes:
    """JSON with the same bytes for the same value."""
    return json.dumps(value, sort_keys=True).encode()


if __name__ == "__main__":
    sys.exit(main())
