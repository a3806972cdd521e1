"""The OCI image layout: a directory as a registry (OCI image specification, "Image Layout")."""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from registry_client.descriptor import OCI_INDEX, Descriptor, digest_of, verify_digest
from registry_client.documents import write_atomically, writing_atomically
from registry_client.errors import DigestMismatchError, LayoutError, LayoutLacksImageError, UsageError
from registry_client.layout_index import (
    MARKER,
    encode,
    find,
    read_index,
    tag_of,
    untagged,
    with_entry,
    without_needless,
)
from registry_client.manifest import MAX_MANIFEST_SIZE, Image, media_type_of
from registry_client.reference import (
    OCI_LAYOUT,
    ImageReference,
    parse_reference,
    referrers_tag,
    validate_digest,
    validate_tag,
)
from registry_client.verification import VerifiedBlob

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping
    from pathlib import Path

    from registry_client.verification import OpenBlob, Part

_CHUNK_SIZE = 256 * 1024
_MARKER_CONTENT = b'{"imageLayoutVersion":"1.0.0"}'


class LayoutStore:
    """Images in directories on disk; the repository of a reference is the directory."""

    def __init__(self, root: Path, named: Mapping[str, Path] | None = None) -> None:
        """Read nothing yet.

        Args:
            root: What relative directories are relative to.
            named: Directories that are elsewhere than their name says.
        """
        self._root = root
        self._named = named or {}
        self._subjects: dict[Path, Image | None] = {}

    def resolve(self, reference: ImageReference | str) -> Descriptor:
        """Find out what a reference points to.

        Args:
            reference: By tag, by digest, or by neither if the layout has one image only.

        Returns:
            The descriptor of the manifest or index.

        Raises:
            LayoutError: There is no such layout, or no such image in it.
        """
        return self.get_image(reference).descriptor

    def get_image(self, reference: ImageReference | str) -> Image:
        """Get a manifest, checked against its digest.

        Args:
            reference: By tag, by digest, or by neither if the layout has one image only.

        Returns:
            The manifest or index.

        Raises:
            LayoutError: There is no such layout, or no such image in it.
            DigestMismatchError: The file of the manifest has another content.
        """
        reference = _parsed(reference)
        directory = self._directory(reference)
        digest, media_type = find(read_index(directory), reference)
        data = _read_blob(directory, digest, reference)
        verify_digest(data, digest, str(reference))
        return Image(
            registry=reference.registry,
            repository=reference.repository,
            digest=digest,
            media_type=media_type_of(data, media_type, str(reference)),
            raw_manifest=data,
        )

    def get_blob(self, reference: ImageReference | str, descriptor: Descriptor) -> bytes:
        """Get a small blob.

        Args:
            reference: Any image of the layout.
            descriptor: Its digest.

        Returns:
            Its bytes, checked against the digest.

        Raises:
            LayoutError: There is no such blob.
            DigestMismatchError: The file has another content.
        """
        reference = _parsed(reference).pinned(descriptor.digest)
        data = _read_blob(self._directory(reference), descriptor.digest, reference)
        verify_digest(data, descriptor.digest, str(reference))
        return data

    def descriptors(self, reference: ImageReference | str) -> list[Descriptor]:
        """All images that a layout lists, with a tag or without.

        Args:
            reference: Any image of the layout.

        Returns:
            Their descriptors, in the order of the layout's index.

        Raises:
            LayoutError: There is no such layout.
            BadRegistryResponseError: An entry of its index is not a descriptor.
        """
        index = read_index(self._directory(_parsed(reference)))
        return [Descriptor.from_json(entry) for entry in index["manifests"]]

    def put_image(self, reference: ImageReference | str, image: Image) -> None:
        """Put a manifest; the layout is made if it is not there.

        The image that has lost a tag by this stays in the layout's index, without a tag.

        Args:
            reference: Where to; a digest must be the image's own.
            image: The manifest, whose blobs and children are there already.

        Raises:
            LayoutError: The layout cannot be written.
            DigestMismatchError: The reference has another digest.
        """
        reference = _parsed(reference)
        if reference.digest not in (None, image.digest):
            message = f"{reference}: the manifest has the digest {image.digest}"
            raise DigestMismatchError(message)
        directory = self._directory(reference)
        with _writing(directory):
            _write_blob(directory, image.raw_manifest, image.digest)
            index = read_index(directory)
            entries = with_entry(index["manifests"], image, reference.tag)
            if entries != index["manifests"]:
                write_atomically(directory / "index.json", encode(index | {"manifests": entries}))

    def put_blob(self, reference: ImageReference | str, data: bytes) -> Descriptor:
        """Put a blob; the layout is made if it is not there.

        Args:
            reference: Any image of the layout.
            data: The blob's bytes.

        Returns:
            Its descriptor, with a media type for unknown bytes.

        Raises:
            LayoutError: The layout cannot be written.
        """
        directory = self._directory(_parsed(reference))
        digest = digest_of(data)
        with _writing(directory):
            _write_blob(directory, data, digest)
        return Descriptor(media_type="application/octet-stream", digest=digest, size=len(data))

    def put_part(self, reference: ImageReference | str, image: Image) -> None:
        """Put a manifest that an index is going to list: it is a file only, and not an image of the layout.

        Args:
            reference: Any image of the layout.
            image: The manifest, whose blobs are there already.

        Raises:
            LayoutError: The layout cannot be written.
        """
        directory = self._directory(_parsed(reference))
        with _writing(directory):
            _write_blob(directory, image.raw_manifest, image.digest)

    def has_blob(self, reference: ImageReference | str, descriptor: Descriptor) -> bool:
        """Whether the layout has a blob, of the size that it should have."""
        path = _blob_path(self._directory(_parsed(reference)), descriptor.digest)
        return path.is_file() and path.stat().st_size == descriptor.size

    def read_blob(self, reference: ImageReference | str, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Read a blob of any size.

        Args:
            reference: Any image of the layout.
            descriptor: The blob.
            offset: How many bytes to leave out at the start.

        Yields:
            Its bytes, not checked.

        Raises:
            LayoutError: There is no such blob.
        """
        reference = _parsed(reference)
        try:
            with _blob_path(self._directory(reference), descriptor.digest).open("rb", buffering=0) as file:
                file.seek(offset)
                while chunk := file.read(_CHUNK_SIZE):
                    yield chunk
        except OSError as error:
            message = f"{reference.name}: the layout has no blob {descriptor.digest}"
            raise LayoutLacksImageError(message) from error

    def stream_blob(self, reference: ImageReference | str, descriptor: Descriptor, offset: int = 0) -> Iterator[Part]:
        """Read a blob of any size, see ``read_blob``."""
        return self.read_blob(reference, descriptor, offset)

    def write_blob(
        self,
        reference: ImageReference | str,
        descriptor: Descriptor,
        source: OpenBlob,
        moved: Callable[[int], object] = lambda _: None,
        *,
        location: str = "",
    ) -> None:
        """Write a blob of any size; the layout is made if it is not there.

        Args:
            reference: Any image of the layout.
            descriptor: The blob.
            source: Opens it.
            moved: Takes the number of bytes each time some are written.
            location: Of no meaning for a layout.

        Raises:
            DigestMismatchError: The source has other bytes; nothing is left of them.
            LayoutError: The layout cannot be written.
        """
        del location
        reference = _parsed(reference)
        directory = self._directory(reference)
        path = _blob_path(directory, descriptor.digest)
        with _writing(directory):
            path.parent.mkdir(parents=True, exist_ok=True)
        blob = VerifiedBlob(descriptor, source, reference.name)
        try:
            with writing_atomically(path) as file:
                for chunk in blob.chunks(0, moved):
                    file.write(chunk)
        except OSError as error:
            message = f"{reference.name} cannot be written: {error.strerror}"
            raise LayoutError(message) from error

    def mount_blob(self, reference: ImageReference | str, descriptor: Descriptor, repository: str) -> str:
        """Copy a blob from another layout on this disk; returns nothing to do, see ``ImageStore``."""
        reference = _parsed(reference)
        other = replace(reference, repository=repository)
        self.write_blob(reference, descriptor, lambda offset: self.read_blob(other, descriptor, offset))
        return ""

    def get_referrers(
        self, reference: ImageReference | str, *, tags: Collection[str] | None = None
    ) -> list[Descriptor]:
        """List what refers to an image: the manifests with that subject, and what the referrers tag schema lists.

        Args:
            reference: The image, by digest.
            tags: All tags of the repository, if they are known: it saves asking for a list that is not there.

        Returns:
            Their descriptors, in the order of the layout's index.

        Raises:
            LayoutError: There is no such layout.
        """
        del tags  # there is nobody to ask
        reference = _parsed(reference)
        directory = self._directory(reference)
        found: dict[str, Descriptor] = {}
        for entry in read_index(directory)["manifests"]:
            descriptor = Descriptor.from_json(entry)
            image = self._with_subject(directory, reference, descriptor) if descriptor.is_manifest else None
            if image is not None and image.subject is not None and image.subject.digest == reference.digest:
                found[image.digest] = image.referrer
            if tag_of(entry) == referrers_tag(str(reference.digest)):
                listed = self.get_image(reference.pinned(descriptor.digest)).children
                found |= {child.digest: child for child in listed if child.digest not in found}
        return list(found.values())

    def get_tags(self, reference: ImageReference | str) -> list[str]:
        """List the tags of a layout.

        Raises:
            LayoutError: There is no such layout.
        """
        index = read_index(self._directory(_parsed(reference)))
        return [tag for tag in map(tag_of, index["manifests"]) if tag]

    def delete_tag(self, reference: ImageReference | str) -> None:
        """Take a tag away; the image stays in the layout's index, without a tag.

        Raises:
            UsageError: The reference is not one by tag alone.
            LayoutError: There is no such tag, or the layout cannot be written.
        """
        reference = _parsed(reference)
        if reference.tag is None or reference.digest is not None:
            message = f"{reference} names an image, and only a tag may be taken away"
            raise UsageError(message)
        directory = self._directory(reference)
        with _writing(directory):
            index = read_index(directory)
            find(index, reference)
            entries = [untagged(entry) if tag_of(entry) == reference.tag else entry for entry in index["manifests"]]
            write_atomically(directory / "index.json", encode(index | {"manifests": without_needless(entries)}))

    def check_push(self, reference: ImageReference | str, *, ask: bool = True) -> None:
        """Find out whether a layout may be written, or made.

        Raises:
            LayoutError: It may not.
        """
        del ask  # there is nobody to ask
        directory = self._directory(_parsed(reference)).absolute()
        existing = next(path for path in (directory, *directory.parents) if path.exists())
        if not (existing.is_dir() and os.access(existing, os.W_OK)):
            message = f"{OCI_LAYOUT}:{directory} cannot be written: {existing} is not a directory that may be written"
            raise LayoutError(message)

    def tag_image(self, image: Image, tag: str) -> None:
        """Give an image one more tag in its own layout.

        Args:
            image: As ``get_image`` returned it.
            tag: The tag to set or to move.

        Raises:
            InvalidTagError: It is not a tag.
            LayoutError: The layout cannot be written.
        """
        validate_tag(tag)
        self.put_image(parse_reference(image.reference).tagged(tag), image)

    def exists(self, reference: ImageReference | str) -> bool:
        """Whether the directory of a reference is there and is a layout."""
        return (self._directory(_parsed(reference)) / MARKER).is_file()

    def _with_subject(self, directory: Path, reference: ImageReference, descriptor: Descriptor) -> Image | None:
        """A manifest of the layout if it has a subject; read once, as what has a digest does not change."""
        path = _blob_path(directory, descriptor.digest)
        if path not in self._subjects and path.is_file():
            image = self.get_image(reference.pinned(descriptor.digest))
            self._subjects[path] = image if b'"subject"' in image.raw_manifest else None
        return self._subjects.get(path)

    def _directory(self, reference: ImageReference) -> Path:
        return self._named.get(reference.repository) or self._root / reference.repository


def _parsed(reference: ImageReference | str) -> ImageReference:
    reference = parse_reference(reference) if isinstance(reference, str) else reference
    if not reference.is_layout:
        message = f"{reference} is on a registry, not in a layout on disk"
        raise LayoutError(message)
    return reference


def _blob_path(directory: Path, digest: str) -> Path:
    validate_digest(digest)  # it comes from a file, and goes into a path
    algorithm, _, encoded = digest.partition(":")
    return directory / "blobs" / algorithm / encoded


def _read_blob(directory: Path, digest: str, reference: ImageReference) -> bytes:
    try:
        with _blob_path(directory, digest).open("rb") as file:
            data = file.read(MAX_MANIFEST_SIZE + 1)
    except OSError as error:
        message = f"{reference}: the layout has no manifest {digest}"
        raise LayoutLacksImageError(message) from error
    if len(data) > MAX_MANIFEST_SIZE:
        message = f"{reference}: {digest} is larger than a manifest may be ({MAX_MANIFEST_SIZE} bytes)"
        raise LayoutError(message)
    return data


def _write_blob(directory: Path, data: bytes, digest: str) -> None:
    path = _blob_path(directory, digest)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)


@contextmanager
def _writing(directory: Path) -> Iterator[None]:
    """Make the layout if need be, and keep other writers out."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / MARKER).open("a+b") as marker:
            fcntl.flock(marker, fcntl.LOCK_EX)
            if marker.tell() == 0:
                marker.write(_MARKER_CONTENT)
                marker.flush()
            if not (directory / "index.json").exists():
                empty = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
                write_atomically(directory / "index.json", encode(empty))
            yield
    except OSError as error:
        message = f"{OCI_LAYOUT}:{directory} cannot be written: {error.strerror}"
        raise LayoutError(message) from error
