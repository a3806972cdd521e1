"""Small images made from nothing, and the ways they get onto a registry or into a layout without the client."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urljoin

import requests

if TYPE_CHECKING:
    from pathlib import Path

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_SECONDS = 20


@dataclass(frozen=True, kw_only=True)
class TestImage:
    """A manifest with all that it needs.

    Attributes:
        media_type: Of the manifest or index.
        manifest: Its bytes.
        blobs: What a manifest names.
        children: What an index lists.
    """

    __test__ = False  # pytest takes it for a test otherwise

    media_type: str
    manifest: bytes
    blobs: tuple[bytes, ...] = ()
    children: tuple[TestImage, ...] = ()

    @property
    def digest(self) -> str:
        """What the image is known by."""
        return digest_of(self.manifest)


def single(content: str, architecture: str = "amd64") -> TestImage:
    """An image for one platform; other content makes another digest."""
    layer = content.encode().ljust(1024, b"\0")
    config = encode({"architecture": architecture, "os": "linux", "rootfs": {"diff_ids": [digest_of(layer)]}})
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(_CONFIG, config),
        "layers": [descriptor(_LAYER, layer)],
    }
    return TestImage(media_type=OCI_MANIFEST, manifest=encode(manifest), blobs=(config, layer))


def index(content: str) -> TestImage:
    """An index of two platforms."""
    children = tuple(single(content, architecture) for architecture in ("amd64", "arm64"))
    manifests = [
        descriptor(OCI_MANIFEST, child.manifest) | {"platform": {"architecture": architecture, "os": "linux"}}
        for child, architecture in zip(children, ("amd64", "arm64"), strict=True)
    ]
    manifest = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return TestImage(media_type=OCI_INDEX, manifest=encode(manifest), children=children)


def large(content: str, layers: int, size: int) -> TestImage:
    """An index of two platforms, each with layers of its own, of ``size`` random bytes each; never the same twice."""
    children = []
    for architecture in ("amd64", "arm64"):
        blobs = [content.encode() + os.urandom(size) for _ in range(layers)]
        config = encode({"architecture": architecture, "os": "linux", "rootfs": {"diff_ids": [*map(digest_of, blobs)]}})
        manifest = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": descriptor(_CONFIG, config),
            "layers": [descriptor(_LAYER, blob) for blob in blobs],
        }
        children.append(TestImage(media_type=OCI_MANIFEST, manifest=encode(manifest), blobs=(config, *blobs)))
    return index_of(*children)


def index_of(*children: TestImage) -> TestImage:
    """An index of images."""
    manifests = [descriptor(child.media_type, child.manifest) for child in children]
    manifest = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": manifests}
    return TestImage(media_type=OCI_INDEX, manifest=encode(manifest), children=children)


def cosign_signature(subject: TestImage, *signatures: str) -> TestImage:
    """What cosign files under ``cosign_tag``: a layer for each signature, which nobody has really made."""
    payload = {"critical": {"image": {"docker-manifest-digest": subject.digest}, "type": "cosign container image"}}
    layers = [encode(payload | {"optional": {"signature": signature}}) for signature in signatures]
    config = encode({"architecture": "", "os": "", "rootfs": {"diff_ids": [*map(digest_of, layers)]}})
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": descriptor(_CONFIG, config),
        "layers": [
            descriptor("application/vnd.dev.cosign.simplesigning.v1+json", layer)
            | {"annotations": {"dev.cosignproject.cosign/signature": signature}}
            for layer, signature in zip(layers, signatures, strict=True)
        ],
    }
    return TestImage(media_type=OCI_MANIFEST, manifest=encode(manifest), blobs=(config, *layers))


def cosign_tag(digest: str, suffix: str = "sig") -> str:
    """The tag under which cosign files what belongs to a digest."""
    return f"{digest.replace(':', '-')}.{suffix}"


def push(registry: str, repository: str, tag: str, image: TestImage) -> None:
    """Upload an image with what it needs (distribution specification, "Push")."""
    for child in image.children:
        push(registry, repository, child.digest, child)
    base = f"http://{registry}/v2/{repository}"
    for blob in image.blobs:
        started = _done(requests.post(f"{base}/blobs/uploads/", timeout=_SECONDS))
        location = urljoin(f"{base}/", started.headers["Location"])
        _done(requests.put(location, params={"digest": digest_of(blob)}, data=blob, timeout=_SECONDS))
    headers = {"Content-Type": image.media_type}
    _done(requests.put(f"{base}/manifests/{tag}", data=image.manifest, headers=headers, timeout=_SECONDS))


def served_digest(registry: str, repository: str, tag: str) -> str | None:
    """The digest of the bytes that a registry serves under a tag; None if it has no such tag."""
    url = f"http://{registry}/v2/{repository}/manifests/{tag}"
    answer = requests.get(url, headers={"Accept": f"{OCI_INDEX}, {OCI_MANIFEST}"}, timeout=_SECONDS)
    return None if answer.status_code == requests.codes.not_found else digest_of(_done(answer).content)


def write_layout(directory: Path, images: dict[str, TestImage]) -> None:
    """Write an OCI image layout that lists images by tag, in place of the one that is there."""
    blobs = directory / "blobs/sha256"
    blobs.mkdir(parents=True, exist_ok=True)
    (directory / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}', encoding="utf-8")
    manifests = []
    for tag, image in images.items():
        for part in (image, *image.children):
            for data in (part.manifest, *part.blobs):
                (blobs / digest_of(data).removeprefix("sha256:")).write_bytes(data)
        entry = descriptor(image.media_type, image.manifest)
        manifests.append(entry | {"annotations": {"org.opencontainers.image.ref.name": tag}})
    (directory / "index.json").write_bytes(encode({"schemaVersion": 2, "manifests": manifests}))


def layout_tags(directory: Path) -> dict[str, str]:
    """The tags of a layout, and the digest of each."""
    entries = json.loads((directory / "index.json").read_bytes())["manifests"]
    names = [entry.get("annotations", {}).get("org.opencontainers.image.ref.name") for entry in entries]
    return {name: entry["digest"] for name, entry in zip(names, entries, strict=True) if name}


def descriptor(media_type: str, data: bytes) -> dict[str, object]:
    """What names some bytes in a manifest."""
    return {"mediaType": media_type, "digest": digest_of(data), "size": len(data)}


def digest_of(data: bytes) -> str:
    """The digest of some bytes."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def encode(value: object) -> bytes:
    """JSON with the same bytes for the same value."""
    return json.dumps(value, sort_keys=True).encode()


def _done(answer: requests.Response) -> requests.Response:
    answer.raise_for_status()
    return answer
