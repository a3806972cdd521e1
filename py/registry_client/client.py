"""A client for the OCI distribution API."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from registry_client.blobs import Blobs
from registry_client.descriptor import MANIFEST_TYPES, Descriptor, digest_of, verify_digest
from registry_client.errors import (
    BadRegistryResponseError,
    DigestMismatchError,
    InvalidReferenceError,
    RegistryClientError,
    RegistryError,
    UnrecognizedRegistryError,
    UsageError,
)
from registry_client.manifest import MAX_MANIFEST_SIZE, Image, media_type_of
from registry_client.messages import Stream
from registry_client.reference import (
    DOCKER_HUB,
    DOCKER_HUB_API,
    ImageReference,
    parse_reference,
    validate_digest,
    validate_tag,
)
from registry_client.referrers import Referrers, pages
from registry_client.session import Session
from registry_client.transport import TransportOptions

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from types import TracebackType

    import requests
    from typing_extensions import Self

    from registry_client.credentials import Keychain
    from registry_client.messages import Answer
    from registry_client.verification import OpenBlob, Part

_T = TypeVar("_T")

_ACCEPT = {"Accept": ", ".join(MANIFEST_TYPES)}
_NOT_ASKED_AGAIN = frozenset({401, 404, 429})
"""Statuses of an answer to HEAD that GET would not better."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """How a client goes about its work.

    Attributes:
        transport: How to talk HTTP.
        mirrors: Registry to hosts, in order, that may have its content too. They are asked for digests only, as
            nothing else tells what is the same; tags are always the registry's own.
        trusted_realms: Hosts of token servers that get the credentials of whatever registry sends there.
    """

    transport: TransportOptions = field(default_factory=TransportOptions)
    mirrors: Mapping[str, Sequence[str]] = field(default_factory=dict)
    trusted_realms: frozenset[str] = frozenset()


class Client:
    """Resolves, gets and puts manifests, on any registry that speaks the OCI distribution API.

    One client serves any number of registries and threads.
    """

    def __init__(
        self,
        *,
        credentials: Keychain | None = None,
        session: requests.Session | None = None,
        options: ClientOptions | None = None,
    ) -> None:
        """Open no connection yet.

        Args:
            credentials: Where credentials are looked for; None to be nobody. See ``default_keychain``.
            session: A session of requests whose adapters, proxies, certificates and headers are used; the caller
                closes it. Its authentication and cookies are not used.
            options: Limits, mirrors, and what else there is to choose.
        """
        options = options or ClientOptions()
        self._mirrors = options.mirrors
        self._session = Session(
            options.transport, keychain=credentials, http=session, trusted_realms=options.trusted_realms
        )
        self._referrers = Referrers(self._session, lambda reference: self._get(self._origin(reference), reference))

    def __enter__(self) -> Self:
        """Return the client itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close all connections."""
        self.close()

    def close(self) -> None:
        """Close all connections."""
        self._session.close()

    def resolve(self, reference: ImageReference | str) -> Descriptor:
        """Find out what a reference points to, with HEAD (distribution specification, "Checking if content exists").

        Args:
            reference: By tag or by digest; the digest decides where both are given.

        Returns:
            The descriptor of the manifest or index.

        Raises:
            RegistryError: The registry says no.
            RegistryUnreachableError: It says nothing.
            BadRegistryResponseError: It says nonsense.
        """
        reference = _parsed(reference)
        return self._from_mirrors(self._head, reference) or self._head(self._origin(reference), reference)

    def get_image(self, reference: ImageReference | str) -> Image:
        """Get a manifest (distribution specification, "Pulling manifests").

        Args:
            reference: By tag or by digest; the digest decides where both are given.

        Returns:
            The manifest or index, whose bytes have the digest that was asked for, or that the registry states.

        Raises:
            RegistryError: The registry says no.
            RegistryUnreachableError: It says nothing.
            DigestMismatchError: The bytes have another digest.
            BadRegistryResponseError: It says nonsense.
        """
        reference = _parsed(reference)
        if reference.digest is None and self._mirrors.get(reference.registry):
            # only with a digest can a mirror be asked
            reference = reference.pinned(self.resolve(reference).digest)
        return self._from_mirrors(self._get, reference) or self._get(self._origin(reference), reference)

    def get_blob(self, reference: ImageReference | str, descriptor: Descriptor) -> bytes:
        """Get a small blob, as a configuration is one (distribution specification, "Pulling blobs").

        Args:
            reference: The repository that it is in.
            descriptor: Its digest, and its size, which is also the most that is read.

        Returns:
            Its bytes, checked against the digest.

        Raises:
            RegistryError: The registry says no.
            RegistryUnreachableError: It says nothing.
            DigestMismatchError: The bytes have another digest.
            BadRegistryResponseError: There are too many of them.
        """
        reference = _parsed(reference)
        if descriptor.size > MAX_MANIFEST_SIZE:
            message = f"{reference.pinned(descriptor.digest)} is said to have {descriptor.size} bytes: too many to keep"
            raise BadRegistryResponseError(message)
        path = f"/v2/{reference.repository}/blobs/{descriptor.digest}"
        answer = self._session.send("GET", self._origin(reference).host, path, limit=descriptor.size)
        verify_digest(answer.body, descriptor.digest, str(reference.pinned(descriptor.digest)))
        return answer.body

    def put_image(self, reference: ImageReference | str, image: Image) -> None:
        """Put a manifest (distribution specification, "Pushing Manifests").

        One with a subject gets into the list of the subject's referrers, whether the registry keeps that or not.

        Args:
            reference: Where to; a digest must be the image's own.
            image: The manifest, whose blobs and children are there already.

        Raises:
            RegistryError: The registry says no.
            RegistryUnreachableError: It says nothing.
            DigestMismatchError: The registry filed it under another digest, be it one of the same bytes.
        """
        reference = _parsed(reference)
        answer = self._session.send(
            "PUT",
            *self._origin(reference),
            headers={"Content-Type": image.media_type},
            data=image.raw_manifest,
            limit=MAX_MANIFEST_SIZE,
        )
        stated = _stated_digest(answer)
        if stated is not None:
            verify_digest(image.raw_manifest, stated, str(reference))
            if reference.digest is None:
                _check_algorithm(reference, image.digest, stated)
        if "OCI-Subject" not in answer.headers and b'"subject"' in image.raw_manifest:
            self._referrers.add(self.put_image, reference, image)

    def put_part(self, reference: ImageReference | str, image: Image) -> None:
        """Put a manifest that an index is going to list, under its digest.

        Args:
            reference: Any reference to the repository.
            image: The manifest, whose blobs are there already.

        Raises:
            RegistryClientError: The registry refuses.
        """
        self.put_image(_parsed(reference).pinned(image.digest), image)

    def tag_image(self, image: Image, tag: str) -> None:
        """Give an image one more tag in its own repository.

        Args:
            image: As ``get_image`` returned it.
            tag: The tag to set or to move.

        Raises:
            InvalidTagError: It is not a tag.
            RegistryError: The registry says no.
            RegistryUnreachableError: It says nothing.
        """
        validate_tag(tag)
        self.put_image(parse_reference(image.reference).tagged(tag), image)

    def has_blob(self, reference: ImageReference | str, descriptor: Descriptor) -> bool:
        """Find out whether a repository has a blob, with HEAD ("Checking if content exists").

        Args:
            reference: Any reference to the repository.
            descriptor: The blob.

        Returns:
            Whether it is there.

        Raises:
            RegistryClientError: The registry gives no proper answer.
        """
        return self._blobs(reference).has(descriptor.digest)

    def read_blob(self, reference: ImageReference | str, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Get a blob of any size as a stream (distribution specification, "Pulling blobs").

        Args:
            reference: The repository that it is in.
            descriptor: The blob.
            offset: How many bytes to leave out at the start.

        Yields:
            Its bytes, not checked: ``VerifiedBlob`` does that.

        Raises:
            RegistryClientError: The registry gives no proper answer.
        """
        return self._blobs(reference).read(descriptor, offset, Stream.chunks)

    def stream_blob(self, reference: ImageReference | str, descriptor: Descriptor, offset: int = 0) -> Iterator[Part]:
        """Get a blob as ``read_blob`` does, for who is done with each part before asking for the one after the next.

        Args:
            reference: The repository that it is in.
            descriptor: The blob.
            offset: How many bytes to leave out at the start.

        Yields:
            Its bytes, not checked, in parts of which each is good only until the one after the next is asked for.

        Raises:
            RegistryClientError: The registry gives no proper answer.
        """
        return self._blobs(reference).read(descriptor, offset, Stream.views)

    def mount_blob(self, reference: ImageReference | str, descriptor: Descriptor, repository: str) -> str:
        """Have a blob taken over from another repository of the registry ("Mounting a blob from another repository").

        Args:
            reference: The repository that it is to be in.
            descriptor: The blob.
            repository: The repository that has it.

        Returns:
            Where ``write_blob`` may upload it, if the registry does not take it over; else empty.

        Raises:
            RegistryClientError: The registry gives no proper answer.
        """
        return self._blobs(reference).mount(descriptor.digest, repository)

    def write_blob(
        self,
        reference: ImageReference | str,
        descriptor: Descriptor,
        source: OpenBlob,
        moved: Callable[[int], object] = lambda _: None,
        *,
        location: str = "",
    ) -> None:
        """Upload a blob as a stream (distribution specification, "Pushing blobs").

        Its digest is checked on the way; after a dropped connection, the upload goes on where it was.

        Args:
            reference: The repository that it is to be in.
            descriptor: The blob.
            source: Opens it at an offset in bytes.
            moved: Takes the number of bytes each time some are sent.
            location: Where to upload it, from ``mount_blob``.

        Raises:
            DigestMismatchError: The source has other bytes.
            RegistryClientError: The registry gives no proper answer.
        """
        self._blobs(reference).write(descriptor, source, moved, location)

    def get_referrers(
        self, reference: ImageReference | str, *, tags: Collection[str] | None = None
    ) -> list[Descriptor]:
        """List what refers to an image: signatures, attestations, SBOMs (distribution specification, "Referrers").

        Args:
            reference: The image, by digest.
            tags: All tags of the repository, if they are known: it saves asking for a list that is not there.

        Returns:
            The descriptors of those manifests, with their artifact types and annotations.

        Raises:
            RegistryClientError: The registry gives no proper answer.
        """
        reference = _parsed(reference)
        return self._referrers.of(self._origin(reference).host, reference, tags)

    def get_tags(self, reference: ImageReference | str) -> list[str]:
        """List the tags of a repository (distribution specification, "Listing Tags").

        Args:
            reference: Any reference to the repository.

        Returns:
            The tags, in the registry's order.

        Raises:
            RegistryClientError: The registry gives no proper answer.
        """
        reference = _parsed(reference)
        found = pages(self._session, self._origin(reference).host, f"/v2/{reference.repository}/tags/list")
        return [str(tag) for page in found for tag in _listed(page.get("tags"))]

    def delete_tag(self, reference: ImageReference | str) -> None:
        """Take a tag away; the image stays (distribution specification, "Deleting tags").

        Args:
            reference: The tag.

        Raises:
            RegistryClientError: The registry refuses, as many do.
        """
        reference = _parsed(reference)
        if reference.tag is None or reference.digest is not None:
            message = f"{reference} names an image, and only a tag may be taken away"
            raise UsageError(message)
        self._session.send("DELETE", *self._origin(reference), limit=MAX_MANIFEST_SIZE)

    def check_push(self, reference: ImageReference | str, *, ask: bool = True) -> None:
        """Find out whether one may write to a repository, as far as that can be told without writing.

        That is whether there is a credential, or a token that does not say no, for a registry that wants one. One that
        has asked for nothing yet is asked for its base, once.

        Args:
            reference: Any reference to the repository.
            ask: Whether to ask a registry what it wants, once, if it has not said so yet.

        Raises:
            RegistryClientError: One may not.
        """
        self._session.check_push(*self._origin(_parsed(reference)), ask=ask)

    @property
    def request_counts(self) -> Counter[str]:
        """How many requests of each method have been sent, those for tokens among them."""
        return self._session.request_counts

    def _blobs(self, reference: ImageReference | str) -> Blobs:
        reference = _parsed(reference)
        return Blobs(self._session, self._origin(reference).host, reference.repository)

    def _from_mirrors(self, ask: Callable[[_Place, ImageReference], _T], reference: ImageReference) -> _T | None:
        """Ask the mirrors of a registry for a digest; None if they are not to be asked, or none has it."""
        if reference.digest is None:
            return None
        for mirror in self._mirrors.get(reference.registry, ()):
            with suppress(RegistryClientError):
                return ask(_Place.of(mirror, reference), reference)
        return None

    def _head(self, place: _Place, reference: ImageReference) -> Descriptor:
        try:
            answer = self._session.send("HEAD", *place, headers=_ACCEPT, limit=0)
        except RegistryError as error:
            if error.status_code in _NOT_ASKED_AGAIN or error.status_code >= 500:
                raise
            # some refuse HEAD, and no answer to it says why
            return self._get(place, reference).descriptor
        return _descriptor_of(answer, reference) or self._get(place, reference).descriptor

    def _get(self, place: _Place, reference: ImageReference) -> Image:
        answer = self._session.send("GET", *place, headers=_ACCEPT, limit=MAX_MANIFEST_SIZE)
        stated = reference.digest or _stated_digest(answer) or digest_of(answer.body)
        verify_digest(answer.body, stated, str(reference))
        return Image(
            registry=reference.registry,
            repository=reference.repository,
            digest=stated,
            media_type=media_type_of(answer.body, answer.headers.get("Content-Type", ""), str(reference)),
            raw_manifest=answer.body,
        )

    @staticmethod
    def _origin(reference: ImageReference) -> _Place:
        return _Place.of(DOCKER_HUB_API if reference.registry == DOCKER_HUB else reference.registry, reference)


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


class _Place(NamedTuple):
    """Where a manifest is asked for."""

    host: str
    path: str

    @classmethod
    def of(cls, location: str, reference: ImageReference) -> _Place:
        """The place of a manifest on a host, or below a path of a host as some mirrors have it."""
        host, slash, prefix = location.partition("/")
        repository = f"{prefix.rstrip('/')}/{reference.repository}" if slash and prefix else reference.repository
        return cls(host, f"/v2/{repository}/manifests/{reference.digest or reference.tag}")


def _parsed(reference: ImageReference | str) -> ImageReference:
    reference = parse_reference(reference) if isinstance(reference, str) else reference
    if reference.is_layout:
        message = f"{reference} is in a layout on disk, not on a registry"
        raise UnrecognizedRegistryError(message)
    return reference


def _check_algorithm(reference: ImageReference, digest: str, stated: str) -> None:
    """Refuse that a tag leads to another digest than was put under it: by that one, nobody would find the image."""
    algorithm = stated.partition(":")[0]
    if algorithm != digest.partition(":")[0]:
        message = (
            f"{reference}: the registry filed {digest} under {stated}, so that the tag has another digest than "
            f"was asked for; put the image under the digest by {algorithm}"
        )
        raise DigestMismatchError(message)


def _stated_digest(answer: Answer) -> str | None:
    digest = answer.headers.get("Docker-Content-Digest", "")
    try:
        validate_digest(digest)
    except InvalidReferenceError:
        return None
    return digest


def _descriptor_of(answer: Answer, reference: ImageReference) -> Descriptor | None:
    """Read a descriptor off the headers of an answer to HEAD; None if they do not suffice."""
    digest = _stated_digest(answer)
    media_type = answer.headers.get("Content-Type", "").partition(";")[0].strip()
    size = answer.headers.get("Content-Length", "")
    if digest is None or media_type not in MANIFEST_TYPES or not size.isdecimal():
        return None
    if reference.digest is not None and digest != reference.digest:
        message = f"{reference}: the registry answers with {digest}"
        raise BadRegistryResponseError(message)
    return Descriptor(media_type=media_type, digest=digest, size=int(size))
