"""Attaches the receipt of a promotion to what was promoted, as an in-toto statement (Statement v1) that refers to it.

It is not signed: it tells who looks at the image where it came from, and proves nothing.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from registry_client.descriptor import OCI_EMPTY, OCI_MANIFEST, Descriptor, digest_of
from registry_client.manifest import Image
from registry_client.operations.promotion import Outcome

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_client.errors import RegistryClientError
    from registry_client.operations.promotion import EdgeResult
    from registry_client.operations.stores import AnyStore
    from registry_client.receipt import Receipt
    from registry_client.reference import ImageReference

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
PREDICATE_TYPE = "urn:registry_rules:promotion-receipt:v1"
MEDIA_TYPE = "application/vnd.in-toto+json"
_PREDICATE_ANNOTATION = "in-toto.io/predicate-type"
_DONE = frozenset({Outcome.TAGGED, Outcome.COPIED})


def attach_receipt(
    receipt: Receipt, results: Sequence[EdgeResult], store: AnyStore
) -> dict[ImageReference, RegistryClientError | None]:
    """Attach a receipt to each image that got a tag.

    Args:
        receipt: The receipt.
        results: The edges that it is about.
        store: Where the images are.

    Returns:
        For each image, where it is now: the error if that failed.
    """
    images = {
        result.edge.destination.pinned(result.edge.digest): result.image
        for result in results
        if result.outcome in _DONE and result.image is not None
    }

    def attach(place: ImageReference) -> None:
        _attach(receipt, place, images[place], store)

    return dict(zip(images, store.each(attach, list(images), unit=""), strict=True))


def _attach(receipt: Receipt, place: ImageReference, image: Image, store: AnyStore) -> None:
    algorithm, _, encoded = str(place.digest).partition(":")
    document = receipt.to_json()
    document["edges"] = [
        edge for edge in document["edges"] if edge["new"] == place.digest and _is_in(edge["destination"], place)
    ]
    statement = {
        "_type": STATEMENT_TYPE,
        "predicate": document,
        "predicateType": PREDICATE_TYPE,
        "subject": [{"digest": {algorithm: encoded}, "name": place.name}],
    }
    config = _upload(b"{}", OCI_EMPTY, place, store)
    layer = _upload(_encoded(statement), MEDIA_TYPE, place, store)
    annotations = {_PREDICATE_ANNOTATION: PREDICATE_TYPE}
    data = _encoded(
        {
            "annotations": annotations,
            "artifactType": MEDIA_TYPE,
            "config": config.to_json(),
            "layers": [layer.to_json() | {"annotations": annotations}],
            "mediaType": OCI_MANIFEST,
            "schemaVersion": 2,
            "subject": image.descriptor.to_json(),
        }
    )
    artifact = Image(
        registry=place.registry,
        repository=place.repository,
        digest=digest_of(data),
        media_type=OCI_MANIFEST,
        raw_manifest=data,
    )
    store.put_image(place.pinned(artifact.digest), artifact)


def _upload(data: bytes, media_type: str, place: ImageReference, store: AnyStore) -> Descriptor:
    descriptor = Descriptor(media_type=media_type, digest=digest_of(data), size=len(data))
    target = store.of(place)
    if not target.has_blob(place, descriptor):
        target.write_blob(place, descriptor, lambda offset: iter([data[offset:]]))
    return descriptor


def _is_in(destination: str, place: ImageReference) -> bool:
    return destination.startswith((f"{place.name}:", f"{place.name}@"))


def _encoded(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
