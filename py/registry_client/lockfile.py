"""The lock file, version 1: its schema, its canonical text, and how it gets to disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry_client.descriptor import Descriptor
from registry_client.documents import Fields, canonical_json, load_json, read_text
from registry_client.errors import DocumentError
from registry_client.reference import parse_reference, validate_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from registry_client.reference import ImageReference

VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class LockedImage:
    """One pin.

    Attributes:
        reference: What was declared, in canonical form.
        digest: What it pointed to when it was locked.
        media_type: The media type of that manifest or index.
        size: Its bytes.
        platforms: For an index, ``os/architecture[/variant]`` to digest; else empty.
        frozen: Why the pin must not move; empty if it may.
    """

    reference: str
    digest: str
    media_type: str
    size: int
    platforms: Mapping[str, str] = field(default_factory=dict)
    frozen: str = ""

    @property
    def pinned(self) -> str:
        """``registry/repository@sha256:…``."""
        return str(parse_reference(self.reference).pinned(self.digest))

    @property
    def descriptor(self) -> Descriptor:
        """The descriptor of that manifest or index."""
        return Descriptor(media_type=self.media_type, digest=self.digest, size=self.size)

    def is_of(self, reference: ImageReference) -> bool:
        """Whether it is a pin of what is declared, and does not contradict a digest in that."""
        return self.reference == str(reference) and reference.digest in {None, self.digest}

    def to_json(self) -> dict[str, Any]:
        """The entry as it is in the file."""
        entry: dict[str, Any] = {
            "digest": self.digest,
            "mediaType": self.media_type,
            "reference": self.reference,
            "size": self.size,
        }
        if self.platforms:
            entry["platforms"] = dict(self.platforms)
        if self.frozen:
            entry["frozen"] = self.frozen
        return entry


@dataclass(frozen=True, kw_only=True, slots=True)
class Lockfile:
    """All pins of one ``image_lock``, by the image's short name."""

    images: Mapping[str, LockedImage]

    def to_text(self) -> str:
        """The canonical text: keys sorted, two spaces, a newline at the end."""
        images = {name: image.to_json() for name, image in self.images.items()}
        return canonical_json({"images": images, "lockfileVersion": VERSION})


def parse_lockfile(text: str, source: str) -> Lockfile:
    """Read a lock file.

    Args:
        text: Its content.
        source: Its name, for messages.

    Returns:
        The pins.

    Raises:
        DocumentError: It breaks the schema; the message starts with the file and the field.
    """
    document = Fields(load_json(text, source), source)
    _take_version(document)
    images = document.take_named_objects("images")
    document.nothing_else()
    return Lockfile(images={name: _parse_image(fields) for name, fields in images.items()})


def read_lockfile(path: Path, source: str | None = None) -> Lockfile:
    """Read a lock file from disk.

    Args:
        path: Where it is.
        source: Its name for messages, else the path.

    Returns:
        The pins.

    Raises:
        DocumentError: It is no UTF-8, or breaks the schema.
        FileNotFoundError: It is not there.
    """
    source = source or str(path)
    return parse_lockfile(read_text(path, source), source)


def parse_pins(text: str, source: str) -> dict[str, LockedImage | None]:
    """Read a lock file pin by pin, and let each that breaks the schema be lost alone.

    Args:
        text: Its content.
        source: Its name, for messages.

    Returns:
        The pins by name; None for one that breaks the schema.

    Raises:
        DocumentError: It is not JSON, or not even the names of the images can be told.
    """
    document = Fields(load_json(text, source), source)
    _take_version(document)
    return {name: _pin_or_none(value, source) for name, value in document.take("images", dict).items()}


def _take_version(document: Fields) -> None:
    version = document.take("lockfileVersion", int)
    if version != VERSION:
        document.fail("lockfileVersion", f"{version} is not a version that this release knows ({VERSION})")


def _pin_or_none(value: object, source: str) -> LockedImage | None:
    try:
        return _parse_image(Fields(value, source))
    except DocumentError:
        return None


def _parse_image(fields: Fields) -> LockedImage:
    image = LockedImage(
        digest=fields.take("digest", str, validate_digest),
        media_type=fields.take("mediaType", str),
        reference=fields.take("reference", str, parse_reference),
        size=fields.take("size", int),
        platforms=fields.take("platforms", dict, default={}),
        frozen=fields.take("frozen", str, default=""),
    )
    for platform, digest in image.platforms.items():
        fields.check(f"platforms.{platform}", digest, validate_digest)
    fields.nothing_else()
    return image
