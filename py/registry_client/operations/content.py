"""What has to be copied for an image to be complete in another repository.

That is its manifests with their blobs, what refers to each of them (signatures, attestations, SBOMs), and the images
that cosign files under tags made of a digest.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry_client.errors import (
    BadRegistryResponseError,
    RegistryClientError,
    SignatureConflictError,
    is_denied,
    is_not_found,
)
from registry_client.operations.selection import digest_if_seen, digest_if_there

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from registry_client.descriptor import Descriptor
    from registry_client.manifest import Image
    from registry_client.operations.stores import AnyStore
    from registry_client.reference import ImageReference

COSIGN_SUFFIXES = (".sig", ".att", ".sbom")
"""How the tags end under which cosign files what belongs to a digest."""

_MAX_DEPTH = 6
"""How deep indexes and referrers may be within each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """A manifest that is to be in another repository.

    Attributes:
        source: Where it is, by digest.
        destination: Where it is to be: by digest, or by a tag of cosign's.
        image: The manifest.
        height: How many manifests are below it in an index: what is lower has to be there first.
        is_listed: Whether an index above lists it.
        blobs: What it needs that the destination may lack.
    """

    source: ImageReference
    destination: ImageReference
    image: Image
    height: int
    is_listed: bool
    blobs: Sequence[Descriptor]


@dataclass(frozen=True, kw_only=True, slots=True)
class Cargo:
    """All that one image takes along to one repository.

    Attributes:
        root: The image's own manifest or index. It is put under its tags by whoever asked, and last of all.
        parts: What has to be there before, children before their parents; the root's own blobs are in ``root``.
        attached: What refers to the image and to its parts, and is put after them.
    """

    root: Part
    parts: Sequence[Part]
    attached: Sequence[Part]

    @property
    def all_parts(self) -> Iterator[Part]:
        """Every part, the root among them."""
        yield from self.parts
        yield from self.attached
        yield self.root

    @property
    def size(self) -> int:
        """Bytes of all blobs that the destination may lack, each counted once."""
        return sum({blob.digest: blob.size for part in self.all_parts for blob in part.blobs}.values())


class Surveyor:
    """Finds out what has to be copied; writes nothing. What it has learnt of a repository it does not ask again."""

    def __init__(self, store: AnyStore, *, referrers: bool = True) -> None:
        """Ask nobody yet.

        Args:
            store: Where the images are.
            referrers: Whether what refers to an image goes along.
        """
        self._store = store
        self._referrers = referrers
        self._tags: dict[str, frozenset[str] | None] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def survey(self, source: ImageReference, destination: ImageReference) -> Cargo:
        """Find out what an image takes along.

        Args:
            source: The image, by digest.
            destination: Any reference to the repository where it is to be.

        Returns:
            What is to be copied.

        Raises:
            RegistryClientError: Something of it is not there, or a store gives no proper answer.
        """
        image = self._store.get_image(source)
        tree = self._tree(image, source, destination)
        root = (
            replace(tree.parts[-1], is_listed=False) if tree.parts else _part(image, source, destination, present=True)
        )
        attached = _Attached(parts={}, seen=set(tree.digests))
        if self._referrers:
            for digest in tree.digests:
                self._attach(source.pinned(digest), destination, attached, _MAX_DEPTH)
        return Cargo(root=root, parts=tree.parts[:-1], attached=list(attached.parts.values()))

    def _tree(self, image: Image, source: ImageReference, destination: ImageReference) -> _Tree:
        """The manifests of an image that the destination lacks, and the digests of all of them."""
        place = destination.pinned(image.digest)
        present = digest_if_seen(self._store, place) is not None
        return self._branch(image, source, destination, present=present, depth=_MAX_DEPTH)

    def _branch(
        self, image: Image, source: ImageReference, destination: ImageReference, *, present: bool, depth: int
    ) -> _Tree:
        # Whatever lists a manifest was put after it: what is below one that is there is there too.
        if not depth:
            message = f"{source} has more than {_MAX_DEPTH} indexes within each other"
            raise BadRegistryResponseError(message)
        parts: list[Part] = []
        digests = [image.digest]
        for child in image.children:
            if not child.is_manifest:
                continue
            place = source.pinned(child.digest)
            is_there = present or digest_if_seen(self._store, destination.pinned(child.digest)) is not None
            if is_there and not child.is_index:
                digests.append(child.digest)
                continue
            below = self._branch(self._store.get_image(place), place, destination, present=is_there, depth=depth - 1)
            parts += below.parts
            digests += below.digests
        if not present:
            height = 1 + max((part.height for part in parts), default=0)
            parts.append(_part(image, source, destination, height=height))
        return _Tree(parts=parts, digests=digests)

    def _attach(self, subject: ImageReference, destination: ImageReference, found: _Attached, depth: int) -> None:
        """Find what refers to a manifest, and to that in turn, and is not at the destination yet."""
        if not depth:
            message = f"{subject}: what refers to it has referrers, and these too, more than {_MAX_DEPTH} deep"
            raise BadRegistryResponseError(message)
        tags = self._tags_of(subject)
        referrers = [
            each for each in self._store.of(subject).get_referrers(subject, tags=tags) if each.digest not in found.seen
        ]
        found.seen.update(referrer.digest for referrer in referrers)
        listed = self._listed(destination.pinned(str(subject.digest))) if referrers else frozenset()
        for referrer in referrers:
            place = subject.pinned(referrer.digest)
            if referrer.digest not in listed:
                self._load(self._referrer(place, subject), place, destination.pinned(referrer.digest), found)
            self._attach(place, destination, found, depth - 1)
        for tag in self._companions(subject, tags):
            image = self._store.get_image(subject.tagged(tag))
            if self._is_wanted(image, destination.tagged(tag)):
                self._load(image, subject.pinned(image.digest), destination.tagged(tag), found)
            if image.digest not in found.seen:
                found.seen.add(image.digest)
                self._attach(subject.pinned(image.digest), destination, found, depth - 1)

    def _referrer(self, place: ImageReference, subject: ImageReference) -> Image:
        try:
            return self._store.get_image(place)
        except RegistryClientError as error:
            if not is_not_found(error):
                raise
            message = (
                f"{place} is in the list of what refers to {subject}, but is not there itself; take it out of the "
                "list, or leave all referrers behind by --no-referrers"
            )
            raise BadRegistryResponseError(message) from error

    def _load(self, image: Image, source: ImageReference, destination: ImageReference, found: _Attached) -> None:
        """Take along an attached image, and what is below it."""
        parts = self._tree(image, source, destination).parts
        own = parts[-1] if parts else _part(image, source, destination, present=True)
        for part in parts[:-1]:
            found.parts[part.destination] = part
        # what puts it also enters it into the list of its subject, which may lack it even if the manifest is there
        found.parts[destination] = replace(own, destination=destination, is_listed=False)

    def _listed(self, subject: ImageReference) -> frozenset[str]:
        """What refers to an image where it is to be; nothing if there is no such place yet."""
        try:
            return frozenset(each.digest for each in self._store.of(subject).get_referrers(subject))
        except RegistryClientError as error:
            if is_not_found(error) or is_denied(error) or subject.is_layout:
                return frozenset()
            raise

    def _companions(self, subject: ImageReference, tags: frozenset[str] | None) -> list[str]:
        """The tags of what cosign has filed for a digest."""
        stem = str(subject.digest).replace(":", "-")
        wanted = [f"{stem}{suffix}" for suffix in COSIGN_SUFFIXES]
        if tags is not None:
            return [tag for tag in wanted if tag in tags]
        return [tag for tag in wanted if digest_if_there(self._store, subject.tagged(tag))]

    def _tags_of(self, reference: ImageReference) -> frozenset[str] | None:
        """The tags of a repository, asked for once; None if it does not list them, as some do not for everybody."""
        with self._locks[reference.name]:
            if reference.name not in self._tags:
                try:
                    self._tags[reference.name] = frozenset(self._store.of(reference).get_tags(reference))
                except RegistryClientError:
                    self._tags[reference.name] = None
            return self._tags[reference.name]

    def _is_wanted(self, image: Image, destination: ImageReference) -> bool:
        """Whether what cosign filed is still to be copied.

        Raises:
            SignatureConflictError: Either place has something that the other lacks: both would not fit under one tag.
        """
        digest = digest_if_seen(self._store, destination)
        if digest in {None, image.digest}:
            return digest is None
        ours = {layer.digest for layer in image.layers}
        theirs = {layer.digest for layer in self._store.get_image(destination).layers}
        if ours - theirs and theirs - ours:
            message = (
                f"{destination} has other signatures than {image.reference}, and would lose them; copy the image with "
                "--no-referrers, and sign it there"
            )
            raise SignatureConflictError(message)
        return bool(ours - theirs)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Tree:
    """A part of an image: what of it is to be put, children first, and the digests of all its manifests."""

    parts: list[Part]
    digests: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Attached:
    """What refers to an image: what of it is to be put, by its destination, and what has been looked at."""

    parts: dict[ImageReference, Part]
    seen: set[str]


def _part(
    image: Image, source: ImageReference, destination: ImageReference, *, height: int = 1, present: bool = False
) -> Part:
    return Part(
        source=source.pinned(image.digest),
        destination=destination.pinned(image.digest),
        image=image,
        height=height,
        is_listed=True,
        blobs=() if present else image.blobs,
    )
