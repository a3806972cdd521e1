"""Descriptors, platforms and digests, as the OCI image specification and Docker's schema 2 have them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry_client.errors import BadRegistryResponseError, DigestMismatchError
from registry_client.reference import validate_digest

if TYPE_CHECKING:
    from collections.abc import Mapping

OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"

DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"

IMAGE_CONFIG_TYPES = frozenset({OCI_CONFIG, DOCKER_CONFIG})
"""Configurations that say what an image runs on; what has another is an artifact."""
INDEX_TYPES = frozenset({OCI_INDEX, DOCKER_LIST})
MANIFEST_TYPES = (OCI_INDEX, DOCKER_LIST, OCI_MANIFEST, DOCKER_MANIFEST)
"""What a client accepts, the most telling first."""


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
        """Read the ``platform`` object of a descriptor, or an image's configuration.

        Raises:
            BadRegistryResponseError: It has half a character, which no file can hold.
        """
        platform = cls(
            os=str(value.get("os") or "unknown"),
            architecture=str(value.get("architecture") or "unknown"),
            variant=str(value.get("variant") or ""),
            os_version=str(value.get("os.version") or ""),
        )
        try:
            str(platform).encode()
        except UnicodeEncodeError as error:
            message = (
                f"{str(platform)!a} is not a platform: it has half a character, a surrogate without its other half"
            )
            raise BadRegistryResponseError(message) from error
        return platform

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
        artifact_type: What kind of artifact a manifest is; empty for an image.
        annotations: Whatever else is said of it.
        urls: Where the content may be had, where it is not in the registry itself.
    """

    media_type: str
    digest: str
    size: int
    platform: Platform | None = None
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)
    urls: tuple[str, ...] = ()

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Descriptor:
        """Read a descriptor object.

        Raises:
            BadRegistryResponseError: A field is missing or of the wrong type.
        """
        try:
            platform, digest = value.get("platform"), str(value["digest"])
            validate_digest(digest)
            return cls(
                media_type=essence(str(value["mediaType"])),
                digest=digest,
                size=_parse_size(value["size"]),
                platform=Platform.from_json(platform) if platform else None,
                artifact_type=str(value.get("artifactType") or ""),
                annotations={str(key): str(text) for key, text in (value.get("annotations") or {}).items()},
                urls=tuple(map(str, value.get("urls") or ())),
            )
        except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError) as error:
            message = f"a descriptor lacks a proper mediaType, digest or size: {json.dumps(value)[:200]}"
            raise BadRegistryResponseError(message) from error

    @property
    def is_index(self) -> bool:
        """Whether it describes an image index (or Docker's manifest list)."""
        return self.media_type in INDEX_TYPES

    @property
    def is_manifest(self) -> bool:
        """Whether it describes a manifest or an index; anything else is a blob."""
        return self.media_type in MANIFEST_TYPES

    @property
    def is_elsewhere(self) -> bool:
        """Whether it describes a layer that registries do not hold ("Non-Distributable Layers")."""
        return bool(self.urls) and ("nondistributable" in self.media_type or ".foreign." in self.media_type)

    def to_json(self) -> dict[str, object]:
        """The descriptor as it is in the index of an image's referrers; without platform and URLs."""
        entry: dict[str, object] = {"mediaType": self.media_type, "digest": self.digest, "size": self.size}
        if self.artifact_type:
            entry["artifactType"] = self.artifact_type
        if self.annotations:
            entry["annotations"] = dict(self.annotations)
        return entry


def _parse_size(value: Any) -> int:  # noqa: ANN401 - JSON is anything
    size = int(value)
    if not 0 <= size < 1 << 63:
        message = f"{size} is not the size of anything"
        raise ValueError(message)
    return size


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
