"""A client for the OCI distribution API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_client.errors import BadRegistryResponseError, InvalidReferenceError, UnrecognizedRegistryError
from registry_client.manifest import (
    MANIFEST_TYPES,
    MAX_MANIFEST_SIZE,
    Descriptor,
    Image,
    digest_of,
    media_type_of,
    verify_digest,
)
from registry_client.reference import (
    DOCKER_HUB,
    ImageReference,
    is_loopback,
    parse_reference,
    validate_digest,
    validate_tag,
)
from registry_client.session import Answer, Session

if TYPE_CHECKING:
    from types import TracebackType

    from typing_extensions import Self

_ACCEPT = ", ".join(MANIFEST_TYPES)
_DOCKER_HUB_API = "registry-1.docker.io"


class Client:
    """Resolves, gets and puts manifests, on any registry that speaks the OCI distribution API.

    One client serves any number of registries and threads.
    """

    def __init__(self, *, session: Session | None = None) -> None:
        """Open no connection yet.

        Args:
            session: How to talk HTTP; the client closes it.
        """
        self._session = session or Session()

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
        answer = self._session.send("HEAD", _manifest_url(reference), headers={"Accept": _ACCEPT}, limit=0)
        descriptor = _descriptor_of(answer, reference)
        return descriptor or self.get_image(reference).descriptor

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
        answer = self._session.send(
            "GET", _manifest_url(reference), headers={"Accept": _ACCEPT}, limit=MAX_MANIFEST_SIZE
        )
        stated = reference.digest or _stated_digest(answer) or digest_of(answer.body)
        verify_digest(answer.body, stated, str(reference))
        return Image(
            registry=reference.registry,
            repository=reference.repository,
            digest=stated,
            media_type=media_type_of(answer.body, answer.headers.get("Content-Type", ""), str(reference)),
            raw_manifest=answer.body,
        )

    def put_image(self, reference: ImageReference | str, image: Image) -> None:
        """Put a manifest (distribution specification, "Pushing Manifests").

        Args:
            reference: Where to; a digest must be the image's own.
            image: The manifest, whose blobs and children are there already.

        Raises:
            RegistryError: The registry says no.
            RegistryUnreachableError: It says nothing.
            DigestMismatchError: The registry filed it under another digest.
        """
        reference = _parsed(reference)
        answer = self._session.send(
            "PUT",
            _manifest_url(reference),
            headers={"Content-Type": image.media_type},
            data=image.raw_manifest,
            limit=MAX_MANIFEST_SIZE,
        )
        stated = _stated_digest(answer)
        if stated is not None:
            verify_digest(image.raw_manifest, stated, str(reference))

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


def _parsed(reference: ImageReference | str) -> ImageReference:
    reference = parse_reference(reference) if isinstance(reference, str) else reference
    if reference.is_layout:
        message = f"{reference} is in a layout on disk, not on a registry"
        raise UnrecognizedRegistryError(message)
    return reference


def _manifest_url(reference: ImageReference) -> str:
    host = _DOCKER_HUB_API if reference.registry == DOCKER_HUB else reference.registry
    scheme = "http" if is_loopback(host) else "https"
    return f"{scheme}://{host}/v2/{reference.repository}/manifests/{reference.digest or reference.tag}"


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
