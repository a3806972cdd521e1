"""Manifests, descriptors and platforms, as the OCI image specification and Docker's schema 2 have them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from registry_client.errors import BadRegistryResponseError, DigestMismatchError
from registry_client.reference import ImageReference

if TYPE_CHECKING:
    from collections.abc import Mapping

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

IMAGE_CONFIG_TYPES = frozenset({OCI_CONFIG, DOCKER_CONFIG})
"""Configurations that say what an image runs on; what has another is an artifact."""
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
IMAGE_TYPES = frozenset({OCI_MANIFEST, DOCKER_MANIFEST})
MANIFEST_TYPES = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)
"""What a client accepts, the most telling first."""

MAX_MANIFEST_SIZE = 4 * 1024 * 1024
"""Bytes; the limit that the distribution specification asks registries to grant at least."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """What an image runs on (OCI image specification, "Image Index", ``platform``).

    Attributes:
        os: As ``linux``.
        architecture: As ``arm64``.
        variant: As ``v8``; empty if there is none.
        os_version: As ``10.0.17763.1397``; empty if there is none.
    """

    os: str
    architecture: str
    variant: str = ""
    os_version: str = ""

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Platform:
        """Read the ``platform`` object of a descriptor, or an image's configuration."""
        return cls(
            os=str(value.get("os") or "unknown"),
            architecture=str(value.get("architecture") or "unknown"),
            variant=str(value.get("variant") or ""),
            os_version=str(value.get("os.version") or ""),
        )

    @property
    def is_known(self) -> bool:
        """False for ``unknown/unknown``, under which build tools file attestations."""
        return self.os != "unknown" or self.architecture != "unknown"

    def __str__(self) -> str:
        """``os/architecture[/variant]``, with the version as ``os(version)/…`` where there is one."""
        version = f"({self.os_version})" if self.os_version else ""
        variant = f"/{self.variant}" if self.variant else ""
        return f"{self.os}{version}/{self.architecture}{variant}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Descriptor:
    """Content by type, digest and size (OCI image specification, "Content Descriptors").

    Attributes:
        media_type: The media type, without parameters.
        digest: ``algorithm:hex``.
        size: Bytes.
        platform: Only in an index, and not always there.
    """

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Descriptor:
        """Read a descriptor object.

        Raises:
            BadRegistryResponseError: A field is missing or of the wrong type.
        """
        try:
            platform = value.get("platform")
            return cls(
                media_type=essence(str(value["mediaType"])),
                digest=str(value["digest"]),
                size=int(value["size"]),
                platform=Platform.from_json(platform) if platform else None,
            )
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            message = f"a descriptor lacks mediaType, digest or size: {json.dumps(value)[:200]}"
            raise BadRegistryResponseError(message) from error

    @property
    def is_index(self) -> bool:
        """Whether it describes an image index (or Docker's manifest list)."""
        return self.media_type in INDEX_TYPES


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
        document = parse_manifest(self.raw_manifest, self.reference)
        return tuple(Descriptor.from_json(child) for child in document.get("manifests") or ())

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
    def platforms(self) -> dict[str, str]:
        """Platform to digest, for what an index lists; empty for a single manifest."""
        return {
            str(child.platform): child.digest
            for child in self.children
            if child.platform is not None and child.platform.is_known
        }


def digest_of(data: bytes, algorithm: str = "sha256") -> str:
    """The digest of some bytes.

    Args:
        data: The bytes.
        algorithm: ``sha256`` or ``sha512``.

    Returns:
        ``algorithm:hex``.
    """
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def verify_digest(data: bytes, digest: str, subject: str) -> None:
    """Compare bytes with the digest that they must have.

    Args:
        data: The bytes.
        digest: ``algorithm:hex``, already validated.
        subject: What they are, for the message.

    Raises:
        DigestMismatchError: They have another digest.
    """
    actual = digest_of(data, digest.partition(":")[0])
    if actual != digest:
        message = f"{subject}: asked for {digest}, got {len(data)} bytes with {actual}"
        raise DigestMismatchError(message)


def essence(content_type: str) -> str:
    """A media type without its parameters, in lower case."""
    return content_type.partition(";")[0].strip().lower()


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
    except ValueError as error:
        message = f"{subject}: the manifest is not JSON"
        raise BadRegistryResponseError(message) from error
    if not isinstance(document, dict):
        message = f"{subject}: the manifest is not a JSON object"
        raise BadRegistryResponseError(message)
    return document


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
