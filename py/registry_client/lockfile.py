"""The lock file, version 1: its schema, its canonical text, and how it gets to disk."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from registry_client.documents import Fields, canonical_json, load_json
from registry_client.errors import DocumentError
from registry_client.reference import parse_reference, validate_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

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
    version = document.take("lockfileVersion", int)
    if version != VERSION:
        document.fail("lockfileVersion", f"{version} is not a version that this release knows ({VERSION})")
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
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"{source}: not a text in UTF-8"
        raise DocumentError(message) from error
    return parse_lockfile(text, source)


def salvage_lockfile(path: Path) -> Lockfile | None:
    """Read what both sides of a merge conflict agree upon.

    Args:
        path: A lock file with the marks that git leaves.

    Returns:
        The pins that are the same on both sides, or on one side only; None if that cannot be told.
    """
    try:
        sides = _conflict_sides(path.read_text(encoding="utf-8"))
        ours, theirs = (parse_lockfile(text, str(path)).images for text in sides)
    except (UnicodeDecodeError, DocumentError):
        return None
    both = {**ours, **theirs}
    return Lockfile(images={name: pin for name, pin in both.items() if ours.get(name, pin) == pin})


def _conflict_sides(text: str) -> tuple[str, str]:
    """The two texts that a text with the marks of a merge conflict is made of."""
    sides: tuple[list[str], list[str]] = ([], [])
    part = ""
    for line in text.splitlines(keepends=True):
        mark = line[:7]
        if mark in {"<<<<<<<", "|||||||", "=======", ">>>>>>>"}:
            part = "" if mark == ">>>>>>>" else mark[0]
            continue
        if part in {"", "<"}:
            sides[0].append(line)
        if part in {"", "="}:
            sides[1].append(line)
    return "".join(sides[0]), "".join(sides[1])


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
