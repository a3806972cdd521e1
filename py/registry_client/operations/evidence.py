"""Whether an image is signed, or carries an attestation: that there is one, and that it is about this very digest.

No signature is verified: who signed, and with which key, is for cosign, notation or an admission controller to say.
What is looked at: OCI 1.1 referrers (cosign's and notation's signatures, Sigstore bundles, in-toto statements, and any
other artifact by its type), the images that cosign files under ``sha256-….sig`` and ``.att``, and the attestations that
BuildKit puts into an index.
"""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

from registry_client.errors import EvidenceError, RegistryClientError, is_not_found
from registry_client.policy import SIGNATURE
from registry_client.verification import VerifiedBlob

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from registry_client.descriptor import Descriptor
    from registry_client.manifest import Image
    from registry_client.operations.stores import AnyStore
    from registry_client.reference import ImageReference

_SIGNATURE_TYPES = frozenset(
    {"application/vnd.cncf.notary.signature", "application/vnd.dev.cosign.artifact.sig.v1+json"}
)
_SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
_COSIGN_SIGNATURE = "dev.cosignproject.cosign/signature"
_COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
"""The predicate type of a statement that is a signature and nothing else."""
_STATEMENT_TYPES = ("in-toto", "dsse", "sigstore.bundle")
_MAX_STATEMENT_SIZE = 64 * 1024 * 1024
"""Bytes; SBOMs have many, and what has more than this is left unread."""
_BUILDKIT_TYPE, _BUILDKIT_DIGEST = "vnd.docker.reference.type", "vnd.docker.reference.digest"


def check_evidence(store: AnyStore, reference: ImageReference, requires: Sequence[str]) -> None:
    """Refuse an image that lacks what it must have.

    Args:
        store: Where the image is.
        reference: The image, by digest.
        requires: ``signature``, or types: of an attestation's predicate, or of an artifact.

    Raises:
        EvidenceError: Something is not there, or is about another digest.
        RegistryClientError: The store gives no proper answer.
    """
    found = set(_referrer_claims(store, reference))
    if not set(requires) <= found:
        found |= set(_cosign_claims(store, reference))
    if not set(requires) <= found:
        found |= _buildkit_claims(store, reference)
    missing = [each for each in requires if each not in found]
    if missing:
        message = (
            f"{reference} lacks {', '.join(missing)}, which the policy requires; it has: "
            f"{', '.join(sorted(found)) or 'nothing of the kind'}. Sign or attest that digest, then try again"
        )
        raise EvidenceError(message)


def _referrer_claims(store: AnyStore, reference: ImageReference) -> Iterator[str]:
    for referrer in store.of(reference).get_referrers(reference):
        image = store.get_image(reference.pinned(referrer.digest))
        subject = image.subject
        if subject is None or subject.digest != reference.digest:
            continue
        artifact_type = image.referrer.artifact_type
        if artifact_type in _SIGNATURE_TYPES:
            yield SIGNATURE
        elif any(kind in artifact_type for kind in _STATEMENT_TYPES):
            yield from _layer_claims(store, reference, image, {str(reference.digest)})
        elif artifact_type:
            yield artifact_type


def _cosign_claims(store: AnyStore, reference: ImageReference) -> Iterator[str]:
    stem = str(reference.digest).replace(":", "-")
    for suffix in (".sig", ".att"):
        try:
            image = store.get_image(reference.tagged(f"{stem}{suffix}"))
        except RegistryClientError as error:
            if is_not_found(error):
                continue
            raise
        yield from _layer_claims(store, reference, image, {str(reference.digest)})


def _buildkit_claims(store: AnyStore, reference: ImageReference) -> set[str]:
    """What the attestations in an index say of all its images alike."""
    index = store.get_image(reference)
    images = {child.digest for child in index.children if _BUILDKIT_TYPE not in child.annotations}
    claims: dict[str, set[str]] = {digest: set() for digest in images}
    for child in index.children:
        about = child.annotations.get(_BUILDKIT_DIGEST, "")
        if child.annotations.get(_BUILDKIT_TYPE) == "attestation-manifest" and about in claims:
            image = store.get_image(reference.pinned(child.digest))
            claims[about] |= set(_layer_claims(store, reference, image, {about}))
    return set.intersection(*claims.values()) if claims else set()


def _layer_claims(store: AnyStore, reference: ImageReference, image: Image, digests: Collection[str]) -> Iterator[str]:
    """What the layers of an artifact say of a digest."""
    for layer in image.layers:
        if layer.media_type == _SIMPLE_SIGNING and layer.annotations.get(_COSIGN_SIGNATURE):
            payload = _json(store, reference, layer)
            signed = _at(payload, "critical", "image", "docker-manifest-digest")
            if isinstance(signed, str) and signed in digests:
                yield SIGNATURE
        elif any(kind in layer.media_type for kind in _STATEMENT_TYPES):
            statement = _statement(_json(store, reference, layer))
            predicate = _at(statement, "predicateType")
            if isinstance(predicate, str) and _subjects(statement) & set(digests):
                yield SIGNATURE if predicate == _COSIGN_SIGN else predicate


def _json(store: AnyStore, reference: ImageReference, layer: Descriptor) -> Any:  # noqa: ANN401 - JSON is anything
    if layer.size > _MAX_STATEMENT_SIZE:
        return None
    blob = VerifiedBlob(layer, lambda offset: store.of(reference).read_blob(reference, layer, offset), str(reference))
    try:
        return json.loads(b"".join(blob.chunks(0, lambda _: None)))
    except (ValueError, RecursionError):
        return None


def _statement(document: Any) -> Any:  # noqa: ANN401
    """The in-toto statement in a DSSE envelope, in a Sigstore bundle, or as it is."""
    envelope = _at(document, "dsseEnvelope") or document
    payload = _at(envelope, "payload")
    if not isinstance(payload, str):
        return document
    try:
        return json.loads(base64.b64decode(payload))
    except (ValueError, RecursionError):
        return None


def _subjects(statement: Any) -> set[str]:  # noqa: ANN401
    subjects = _at(statement, "subject")
    entries = subjects if isinstance(subjects, list) else []
    digests = [_at(entry, "digest") for entry in entries]
    return {
        f"{algorithm}:{encoded}"
        for digest in digests
        if isinstance(digest, dict)
        for algorithm, encoded in digest.items()
    }


def _at(value: Any, *path: str) -> Any:  # noqa: ANN401
    """What is at a path of a JSON value; None where there is no such path."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
