"""The OCI image layout: a directory as a registry (OCI image specification, "Image Layout")."""

from __future__ import annotations

import fcntl
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from registry_client.descriptor import OCI_INDEX, Descriptor, digest_of, verify_digest
from registry_client.documents import write_atomically
from registry_client.errors import DigestMismatchError, LayoutError, LayoutLacksImageError
from registry_client.layout_index import MARKER, encode, find, read_index, with_entry
from registry_client.manifest import MAX_MANIFEST_SIZE, Image, media_type_of
from registry_client.reference import OCI_LAYOUT, ImageReference, parse_reference, validate_tag

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKER_CONTENT = b'{"imageLayoutVersion":"1.0.0"}'


class LayoutStore:
    """Images in directories on disk; the repository of a reference is the directory."""

    def __init__(self, root: Path) -> None:
        """Read nothing yet.

        Args:
            root: What relative directories are relative to.
        """
        self._root = root

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

    def _directory(self, reference: ImageReference) -> Path:
        return self._root / reference.repository


def _parsed(reference: ImageReference | str) -> ImageReference:
    reference = parse_reference(reference) if isinstance(reference, str) else reference
    if not reference.is_layout:
        message = f"{reference} is on a registry, not in a layout on disk"
        raise LayoutError(message)
    return reference


def _blob_path(directory: Path, digest: str) -> Path:
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
