"""Whether an image is signed, or carries an attestation: that there is one, and that it is about this very digest.

No signature is verified: who signed, and with which key, is for cosign, notation or an admission controller to say.
What is looked at: OCI 1.1 referrers (cosign's and notation's signatures, Sigstore bundles, in-toto statements, and any
other artifact by its type), the images that cosign files under ``sha256-….sig`` and ``.att``, and the attestations that
BuildKit puts into an index. What costs least is looked at first, and nothing more once all is found. Evidence that
cannot be read is none: it is named if something is lacking, and stands in the way of nothing else.
"""

from __future__ import annotations

import base64
import json
import threading
from contextlib import contextmanager, nullcontext
from typing import TYPE_CHECKING, Any

from registry_client.errors import (
    BadRegistryResponseError,
    EvidenceError,
    LayoutError,
    RegistryClientError,
    is_not_found,
)
from registry_client.manifest import MAX_MANIFEST_SIZE
from registry_client.policy import SIGNATURE
from registry_client.verification import VerifiedBlob

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
_MAX_STATEMENT_SIZE = 64 * 1024 * 1024
"""Bytes of the largest statement that is read; SBOMs of large images have some ten millions."""
_MOST_NAMED = 3
"""How many of those that cannot be read a message names."""

_one_large = threading.Lock()
"""Whoever reads a large statement holds this, as all of it is in memory, and images are looked at side by side."""


def check_evidence(store: AnyStore, reference: ImageReference, requires: Sequence[str]) -> None:
    """Refuse an image that lacks what it must have.

    Args:
        store: Where the image is.
        reference: The image, by digest.
        requires: ``signature``, or types: of an attestation's predicate, or of an artifact.

    Raises:
        EvidenceError: Something is not there, cannot be read, or is about another digest.
        RegistryClientError: The store gives no proper answer.
    """
    search = _Search(store, reference, requires)
    found: set[str] = set()
    for claim in search.claims():
        found.add(claim)
        if found.issuperset(requires):
            return
    missing = [each for each in requires if each not in found]
    if missing:
        message = (
            f"{reference} lacks {', '.join(missing)}, which the policy requires; it has: "
            f"{', '.join(sorted(found)) or 'nothing of the kind'}{search.unread}. "
            "Sign or attest that digest, then try again"
        )
        raise EvidenceError(message)


class _Search:
    """Looks for what is said of an image."""

    def __init__(self, store: AnyStore, reference: ImageReference, requires: Sequence[str]) -> None:
        """Ask nobody yet."""
        self._store = store
        self._reference = reference
        self._digest = str(reference.digest)
        self._requires = requires
        self._unread: list[str] = []

    @property
    def unread(self) -> str:
        """What could not be read, for the end of a message; empty if there is nothing."""
        if not self._unread:
            return ""
        more = len(self._unread) - _MOST_NAMED
        return f"; what cannot be read: {'; '.join(self._unread[:_MOST_NAMED])}" + (f"; and {more} more" * (more > 0))

    def claims(self) -> Iterator[str]:
        """What is said of the image, one thing after the other; what costs least comes first."""
        artifacts: list[Image] = []
        yield from self._types(artifacts)
        yield from self._filed_by_cosign(".sig")
        layers = [layer for artifact in artifacts for layer in self._layers(artifact)]
        for layer in sorted(layers, key=lambda layer: layer.size):
            yield from self._said_by(layer, self._digest)
        yield from self._filed_by_cosign(".att")
        yield from self._said_by_index()

    def _types(self, artifacts: list[Image]) -> Iterator[str]:
        """What referrers say by their type alone; the others, which have to be read, are put into a list."""
        referrers = self._store.of(self._reference).get_referrers(self._reference)
        for referrer in sorted(referrers, key=self._cost):
            with self._reading(referrer.digest):
                image = self._store.get_image(self._reference.pinned(referrer.digest))
                if image.subject is None or image.subject.digest != self._digest:
                    continue
                artifact_type = image.referrer.artifact_type
                if _has_statements(artifact_type):
                    artifacts.append(image)
                elif claim := _claim_of_type(artifact_type):
                    yield claim

    def _cost(self, referrer: Descriptor) -> int:
        if _has_statements(referrer.artifact_type):
            return 2
        return int(_claim_of_type(referrer.artifact_type) not in self._requires)

    def _filed_by_cosign(self, suffix: str) -> Iterator[str]:
        place = self._reference.tagged(f"{self._digest.replace(':', '-')}{suffix}")
        try:
            image = self._store.get_image(place)
        except RegistryClientError as error:
            if is_not_found(error):
                return
            raise
        for layer in self._layers(image):
            yield from self._said_by(layer, self._digest)

    def _said_by_index(self) -> set[str]:
        """What BuildKit's attestations in an index say of all its images alike."""
        index = self._store.get_image(self._reference)
        images = {child.digest for child in index.children if _BUILDKIT_TYPE not in child.annotations}
        claims: dict[str, set[str]] = {digest: set() for digest in images}
        for child in index.children:
            about = child.annotations.get(_BUILDKIT_DIGEST, "")
            if child.annotations.get(_BUILDKIT_TYPE) == "attestation-manifest" and about in claims:
                with self._reading(child.digest):
                    image = self._store.get_image(self._reference.pinned(child.digest))
                    claims[about].update(
                        claim for layer in self._layers(image) for claim in self._said_by(layer, about)
                    )
        return set.intersection(*claims.values()) if claims else set()

    def _layers(self, artifact: Image) -> Iterator[Descriptor]:
        with self._reading(artifact.digest):
            yield from artifact.layers

    def _said_by(self, layer: Descriptor, digest: str) -> Iterator[str]:
        """What a layer of an artifact says of a digest."""
        if layer.media_type == _SIMPLE_SIGNING and layer.annotations.get(_COSIGN_SIGNATURE):
            with self._reading(layer.digest):
                if _signed(self._read(layer)) == digest:
                    yield SIGNATURE
        elif _has_statements(layer.media_type):
            with self._reading(layer.digest):
                claim, subjects = _stated(self._read(layer))
                if claim and digest in subjects:
                    yield claim

    def _read(self, layer: Descriptor) -> Any:  # noqa: ANN401 - JSON is anything
        """The JSON in a layer."""
        if layer.size > _MAX_STATEMENT_SIZE:
            message = f"it has {layer.size} bytes, more than {_MAX_STATEMENT_SIZE}"
            raise BadRegistryResponseError(message)
        store, reference = self._store.of(self._reference), self._reference
        blob = VerifiedBlob(layer, lambda offset: store.read_blob(reference, layer, offset), str(reference))
        with _one_large if layer.size > MAX_MANIFEST_SIZE else nullcontext():
            return _decoded(b"".join(blob.chunks(0, lambda _: None)))

    @contextmanager
    def _reading(self, digest: str) -> Iterator[None]:
        """Note what cannot be read, and go on."""
        try:
            yield
        except RegistryClientError as error:
            if not isinstance(error, (BadRegistryResponseError, LayoutError)) and not is_not_found(error):
                raise
            reason = "it is not there" if is_not_found(error) else error
            self._unread.append(f"{digest}: {reason}")


def _has_statements(media_type: str) -> bool:
    return any(kind in media_type for kind in _STATEMENT_TYPES)


def _claim_of_type(artifact_type: str) -> str:
    """What an artifact of a type stands for; empty for nothing."""
    if artifact_type in _SIGNATURE_TYPES:
        return SIGNATURE
    return "" if artifact_type == SIGNATURE else artifact_type  # nobody may just call it so


def _decoded(data: bytes) -> Any:  # noqa: ANN401
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        message = "it is not JSON, or nested too deeply"
        raise BadRegistryResponseError(message) from error


def _signed(payload: Any) -> str:  # noqa: ANN401
    """The digest that a payload of cosign's is about."""
    digest = _at(payload, "critical", "image", "docker-manifest-digest")
    if not isinstance(digest, str):
        message = "it is not what cosign signs, as it names no digest"
        raise BadRegistryResponseError(message)
    return digest


def _stated(document: Any) -> tuple[str, set[str]]:  # noqa: ANN401
    """What a statement stands for, and the digests that it is about."""
    statement = _statement(document)
    predicate, subjects = _at(statement, "predicateType"), _at(statement, "subject")
    if not isinstance(predicate, str) or not isinstance(subjects, list):
        message = "it is not an in-toto statement"
        raise BadRegistryResponseError(message)
    found = [_at(entry, "digest") for entry in subjects]
    digests = {f"{name}:{text}" for digest in found if isinstance(digest, dict) for name, text in digest.items()}
    if predicate == _COSIGN_SIGN:
        return SIGNATURE, digests
    return ("" if predicate == SIGNATURE else predicate), digests


def _statement(document: Any) -> Any:  # noqa: ANN401
    """The in-toto statement in a DSSE envelope, in a Sigstore bundle, or as it is."""
    payload = _at(_at(document, "dsseEnvelope") or document, "payload")
    if not isinstance(payload, str):
        return document
    try:
        return _decoded(base64.b64decode(payload))
    except ValueError as error:
        message = "its payload is not in base64"
        raise BadRegistryResponseError(message) from error


def _at(value: Any, *path: str) -> Any:  # noqa: ANN401
    """What is at a path of a JSON value; None where there is no such path."""
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
