"""Manifests and indexes, as the OCI image specification and Docker's schema 2 have them."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from registry_client.descriptor import INDEX_TYPES, MANIFEST_TYPES, OCI_INDEX, OCI_MANIFEST, Descriptor, essence
from registry_client.errors import BadRegistryResponseError
from registry_client.reference import ImageReference

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_MANIFEST_SIZE = 4 * 1024 * 1024
"""Bytes; the limit that the distribution specification asks registries to grant at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A manifest, with where it came from.

    Attributes:
        registry: The registry it came from.
        repository: The repository it came from.
        digest: ``algorithm:hex``, which the bytes have been checked against.
        media_type: The media type, without parameters.
        raw_manifest: The manifest's bytes, as served.
    """

    registry: str
    repository: str
    digest: str
    media_type: str
    raw_manifest: bytes

    @property
    def reference(self) -> str:
        """``registry/repository@sha256:…``."""
        return str(ImageReference(registry=self.registry, repository=self.repository, digest=self.digest))

    @property
    def descriptor(self) -> Descriptor:
        """The manifest's descriptor."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=len(self.raw_manifest))

    @property
    def children(self) -> tuple[Descriptor, ...]:
        """The manifests that an index lists, in its order; none for a single manifest.

        Raises:
            BadRegistryResponseError: The index cannot be read.
        """
        if self.media_type not in INDEX_TYPES:
            return ()
        return tuple(Descriptor.from_json(child) for child in self._list("manifests"))

    @property
    def config(self) -> Descriptor | None:
        """The configuration that a single manifest names; None for an index.

        Raises:
            BadRegistryResponseError: The manifest cannot be read.
        """
        if self.media_type in INDEX_TYPES:
            return None
        config = parse_manifest(self.raw_manifest, self.reference).get("config")
        return Descriptor.from_json(config) if config else None

    @property
    def blobs(self) -> tuple[Descriptor, ...]:
        """What a manifest needs beside manifests, each once: configuration and layers that a registry holds.

        Raises:
            BadRegistryResponseError: The manifest cannot be read.
        """
        if self.media_type in INDEX_TYPES:
            found = [child for child in self.children if not child.is_manifest]
        else:
            config = [self.config] if self.config else []
            found = [*config, *self.layers]
        held = [descriptor for descriptor in found if not descriptor.is_elsewhere]
        return tuple({descriptor.digest: descriptor for descriptor in held}.values())

    @property
    def layers(self) -> tuple[Descriptor, ...]:
        """The layers of a single manifest, in its order; none for an index.

        Raises:
            BadRegistryResponseError: The manifest cannot be read.
        """
        return tuple(Descriptor.from_json(layer) for layer in self._list("layers"))

    @property
    def subject(self) -> Descriptor | None:
        """What the manifest is about, for a signature and its like (OCI image specification, ``subject``).

        Raises:
            BadRegistryResponseError: The manifest cannot be read.
        """
        subject = parse_manifest(self.raw_manifest, self.reference).get("subject")
        return Descriptor.from_json(subject) if subject else None

    @property
    def referrer(self) -> Descriptor:
        """The descriptor under which the subject lists the manifest (distribution specification, "Listing Referrers").

        Raises:
            BadRegistryResponseError: The manifest cannot be read.
        """
        document = parse_manifest(self.raw_manifest, self.reference)
        config, annotations = document.get("config") or {}, document.get("annotations") or {}
        if not isinstance(config, dict) or not isinstance(annotations, dict):
            message = f"{self.reference}: config and annotations of a manifest must be JSON objects"
            raise BadRegistryResponseError(message)
        return replace(
            self.descriptor,
            artifact_type=str(document.get("artifactType") or config.get("mediaType") or ""),
            annotations={str(key): str(text) for key, text in annotations.items()},
        )

    @property
    def platforms(self) -> dict[str, str]:
        """Platform to digest, for what an index lists; empty for a single manifest."""
        return {
            str(child.platform): child.digest
            for child in self.children
            if child.platform is not None and child.platform.is_known
        }

    def _list(self, name: str) -> list[Any]:
        return listed_in(parse_manifest(self.raw_manifest, self.reference), name, self.reference)


def parse_manifest(data: bytes, subject: str) -> dict[str, Any]:
    """Decode the bytes of a manifest.

    Args:
        data: The bytes.
        subject: What they are, for the message.

    Returns:
        The JSON object.

    Raises:
        BadRegistryResponseError: They are not a JSON object.
    """
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"{subject}: the manifest is not JSON, or nested too deeply"
        raise BadRegistryResponseError(message) from error
    if not isinstance(document, dict):
        message = f"{subject}: the manifest is not a JSON object"
        raise BadRegistryResponseError(message)
    return document


def listed_in(document: Mapping[str, Any], name: str, subject: str) -> list[Any]:
    """What a manifest, or a page of a list, has under a name.

    Args:
        document: The JSON object.
        name: The field's name; where there is none, the list is empty.
        subject: What the document is, for the message.

    Returns:
        The list.

    Raises:
        BadRegistryResponseError: It is none.
    """
    value = document.get(name) or []
    if not isinstance(value, list):
        message = f"{subject}: {name} is not a list"
        raise BadRegistryResponseError(message)
    return value


def media_type_of(data: bytes, content_type: str, subject: str) -> str:
    """The media type of a manifest: what the header says, else what the manifest itself says.

    Args:
        data: The manifest's bytes.
        content_type: The ``Content-Type`` header; may be empty, or say nothing of use.
        subject: What they are, for the message.

    Returns:
        The media type without parameters.

    Raises:
        BadRegistryResponseError: It is Docker's schema 1, or nothing tells what it is.
    """
    said = essence(content_type)
    if said in MANIFEST_TYPES:
        return said
    document = parse_manifest(data, subject)
    if document.get("schemaVersion") == 1 or "manifest.v1" in said:
        message = f"{subject} is a Docker schema 1 manifest, which has no stable digest; push the image again"
        raise BadRegistryResponseError(message)
    inside = essence(str(document.get("mediaType") or ""))
    if inside in MANIFEST_TYPES:
        return inside
    if "manifests" in document:
        return OCI_INDEX
    if "config" in document:
        return OCI_MANIFEST
    message = f'{subject}: "{said}" is not the media type of an image manifest or index'
    raise BadRegistryResponseError(message)
