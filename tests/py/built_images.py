"""Images with blobs, indexes, signatures and attestations, and the places where tests put them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry_client import Client, ClientOptions, TransportOptions
from registry_client.descriptor import OCI_CONFIG, OCI_EMPTY, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor, digest_of
from registry_client.layout import LayoutStore
from registry_client.manifest import Image
from registry_client.operations.stores import AnyStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from registry_client.verification import OpenBlob

SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
IN_TOTO = "application/vnd.in-toto+json"
SLSA = "https://slsa.dev/provenance/v1"


@dataclass(frozen=True, kw_only=True, slots=True)
class Built:
    """An image, and all that it needs.

    Attributes:
        image: Its manifest or index.
        blobs: The blobs of all its manifests.
        parts: The manifests below it.
    """

    image: Image
    blobs: Sequence[bytes] = ()
    parts: Sequence[Image] = ()

    @property
    def digest(self) -> str:
        """The digest of the image."""
        return self.image.digest

    @property
    def stem(self) -> str:
        """The start of the tags under which cosign files what belongs to it."""
        return self.digest.replace(":", "-")


def descriptor(data: bytes, media_type: str = OCI_LAYER, algorithm: str = "sha256") -> Descriptor:
    """What describes some bytes."""
    return Descriptor(media_type=media_type, digest=digest_of(data, algorithm), size=len(data))


def encoded(media_type: str, document: dict[str, Any], algorithm: str = "sha256") -> Image:
    """A manifest of a document."""
    data = json.dumps({"schemaVersion": 2, "mediaType": media_type, **document}).encode()
    return Image(
        registry="oci-layout",
        repository="app",
        digest=digest_of(data, algorithm),
        media_type=media_type,
        raw_manifest=data,
    )


def image(name: str, *layers: bytes, extra: Sequence[dict[str, Any]] = (), **more: object) -> Built:
    """An image of some layers, by default of one.

    Args:
        name: What makes it another one.
        layers: Its layers.
        extra: Descriptors of layers that are not among its blobs.
        more: Further fields of its manifest.
    """
    layers = layers or (f"layer of {name}".encode(),)
    config = json.dumps({"os": "linux", "architecture": "amd64", "name": name}).encode()
    document = {
        "config": descriptor(config, OCI_CONFIG).to_json(),
        "layers": [*(descriptor(layer).to_json() for layer in layers), *extra],
        **more,
    }
    return Built(image=encoded(OCI_MANIFEST, document), blobs=[config, *layers])


def index(*children: Built, **more: object) -> Built:
    """An index of images or of indexes."""
    entries = [child.image.descriptor.to_json() for child in children]
    return Built(
        image=encoded(OCI_INDEX, {"manifests": entries, **more}),
        blobs=[blob for child in children for blob in child.blobs],
        parts=[part for child in children for part in (*child.parts, child.image)],
    )


def artifact(
    subject: Built | None, *layers: tuple[bytes, str, dict[str, str]], kind: str = "application/vnd.example.sbom"
) -> Built:
    """An artifact that refers to an image, by default with nothing in it.

    Args:
        subject: The image; None for one that refers to nothing.
        layers: Bytes, media type and annotations of each layer.
        kind: Its artifact type.
    """
    entries = [
        descriptor(data, media_type).to_json() | {"annotations": annotations}
        for data, media_type, annotations in layers
    ]
    document: dict[str, Any] = {
        "artifactType": kind,
        "config": descriptor(b"{}", OCI_EMPTY).to_json(),
        "layers": entries,
        "annotations": {"kind": kind},
    }
    if subject is not None:
        document["subject"] = subject.image.descriptor.to_json()
    return Built(image=encoded(OCI_MANIFEST, document), blobs=[b"{}", *(data for data, _, _ in layers)])


def cosign_signature(digest: str, *signers: str) -> Built:
    """What cosign files under ``sha256-….sig``: a layer for each signer."""
    layers = [
        (
            json.dumps({"critical": {"image": {"docker-manifest-digest": digest}}, "signer": signer}).encode(),
            SIMPLE_SIGNING,
            {"dev.cosignproject.cosign/signature": "c2ln"},
        )
        for signer in signers
    ]
    return artifact(None, *layers, kind="")


def statement(digest: str, predicate: str = SLSA) -> bytes:
    """An in-toto statement about a digest."""
    algorithm, _, value = digest.partition(":")
    document = {"_type": "s", "predicateType": predicate, "subject": [{"name": "a", "digest": {algorithm: value}}]}
    return json.dumps(document).encode()


def attestation(subject: Built, predicate: str = SLSA) -> Built:
    """An in-toto statement that refers to an image."""
    return artifact(subject, (statement(subject.digest, predicate), IN_TOTO, {}), kind=IN_TOTO)


def put(store: LayoutStore, directory: str, built: Built, *tags: str) -> None:
    """Put an image into a layout, under tags or without."""
    name = f"oci-layout:{directory}"
    for data in built.blobs:
        store.put_blob(name, data)
    for part in built.parts:
        store.put_part(name, part)
    for reference in [f"{name}:{tag}" for tag in tags] or [f"{name}@{built.digest}"]:
        store.put_image(reference, built.image)


def opening(data: bytes) -> OpenBlob:
    """What opens some bytes as a blob."""
    return lambda offset: iter([data[offset:]])


def client(**options: float | None) -> Client:
    """A client with little patience."""
    given: dict[str, float | None] = {"connect_timeout": 2, "read_timeout": 2, "retries": 2, "backoff": 0.01, **options}
    return Client(options=ClientOptions(transport=TransportOptions(**given)))  # type: ignore[arg-type]


def any_store(root: Path, *, concurrency: int = 1) -> AnyStore:
    """A store for layouts below a directory, and for registries; does one thing after the other, if not told else."""
    return AnyStore(LayoutStore(root), client, concurrency=concurrency)
