"""Down from an index to the image for a platform, in a layout on disk."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from registry_client.descriptor import OCI_CONFIG, OCI_INDEX, OCI_MANIFEST, digest_of
from registry_client.errors import BadRegistryResponseError, PlatformError
from registry_client.layout import LayoutStore
from registry_client.manifest import Image
from registry_client.operations.selection import resolve_platform
from registry_client.platforms import parse_platform
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path

APP = "oci-layout:app"
ARM = {"os": "linux", "architecture": "arm64", "variant": "v8"}
AMD = {"os": "linux", "architecture": "amd64"}


class Layout:
    """A layout to put images into."""

    def __init__(self, root: Path) -> None:
        """Start with none."""
        self.store = LayoutStore(root)

    def image(self, platform: dict[str, str], config_type: str = OCI_CONFIG) -> dict[str, Any]:
        """Put an image; gives its descriptor, without a platform."""
        blob = self.store.put_blob(APP, json.dumps(platform).encode())
        config = {"mediaType": config_type, "digest": blob.digest, "size": blob.size}
        return self._put(OCI_MANIFEST, {"config": config, "layers": []})

    def index(self, *manifests: dict[str, Any]) -> dict[str, Any]:
        """Put an index; gives its descriptor."""
        return self._put(OCI_INDEX, {"manifests": manifests})

    def resolve(self, descriptor: dict[str, Any], platform: str) -> str:
        """Resolve what is under a digest."""
        reference = parse_reference(f"{APP}@{descriptor['digest']}")
        return resolve_platform(self.store, reference, parse_platform(platform)).digest

    def _put(self, media_type: str, content: dict[str, Any]) -> dict[str, Any]:
        data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **content}).encode()
        image = Image(
            registry="oci-layout", repository="app", digest=digest_of(data), media_type=media_type, raw_manifest=data
        )
        self.store.put_image(f"{APP}@{image.digest}", image)
        return {"mediaType": media_type, "digest": image.digest, "size": len(data)}


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


def test_the_image_is_found_in_an_index(layout: Layout) -> None:
    arm, amd = layout.image(ARM), layout.image(AMD)
    index = layout.index(arm | {"platform": ARM}, amd | {"platform": AMD})
    assert layout.resolve(index, "linux/arm64") == arm["digest"]
    assert layout.resolve(index, "linux/amd64") == amd["digest"]


def test_the_image_is_found_in_an_index_within_an_index(layout: Layout) -> None:
    arm, amd = layout.image(ARM), layout.image(AMD)
    inner, other = layout.index(arm | {"platform": ARM}), layout.index(amd | {"platform": AMD})
    outer = layout.index(inner, other | {"platform": AMD})
    assert layout.resolve(outer, "linux/arm64") == arm["digest"]
    assert layout.resolve(outer, "linux/amd64") == amd["digest"]


def test_indexes_within_each_other_have_an_end(layout: Layout) -> None:
    index = layout.index()
    for _ in range(5):
        index = layout.index(index)
    with pytest.raises(BadRegistryResponseError, match="more than 4 indexes"):
        layout.resolve(index, "linux/arm64")


def test_an_image_for_one_platform_is_for_no_other(layout: Layout) -> None:
    arm = layout.image(ARM)
    assert layout.resolve(arm, "linux/arm64") == arm["digest"]
    with pytest.raises(PlatformError, match="it is an image for linux/arm64/v8 only"):
        layout.resolve(arm, "linux/amd64")


def test_an_artifact_is_for_every_platform(layout: Layout) -> None:
    chart = layout.image({}, "application/vnd.cncf.helm.config.v1+json")
    assert layout.resolve(chart, "linux/amd64") == chart["digest"]
    bare = layout._put(OCI_MANIFEST, {"layers": []})  # noqa: SLF001 - a manifest without a configuration
    assert layout.resolve(bare, "linux/amd64") == bare["digest"]
