"""What a registry and a layout on disk have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from registry_client.descriptor import Descriptor
    from registry_client.manifest import Image
    from registry_client.reference import ImageReference
    from registry_client.verification import OpenBlob, Part


class ManifestStore(Protocol):
    """A place that holds manifests by tag and by digest."""

    def resolve(self, reference: ImageReference | str) -> Descriptor:
        """Find out what a reference points to.

        Args:
            reference: By tag or by digest; the digest decides where both are given.

        Returns:
            The descriptor of the manifest or index.

        Raises:
            RegistryClientError: There is none, or the store gives no proper answer.
        """

    def get_image(self, reference: ImageReference | str) -> Image:
        """Get a manifest, checked against its digest.

        Args:
            reference: By tag or by digest; the digest decides where both are given.

        Returns:
            The manifest or index, as served.

        Raises:
            RegistryClientError: There is none, or its bytes have another digest.
        """

    def get_blob(self, reference: ImageReference | str, descriptor: Descriptor) -> bytes:
        """Get a small blob, checked against its digest.

        Args:
            reference: The repository that it is in.
            descriptor: Its digest and its size in bytes.

        Returns:
            Its bytes.

        Raises:
            RegistryClientError: There is none, or its bytes have another digest.
        """

    def put_image(self, reference: ImageReference | str, image: Image) -> None:
        """Put a manifest under a tag or a digest.

        Args:
            reference: Where to; a digest must be the image's own.
            image: The manifest, the content of which is there already.

        Raises:
            RegistryClientError: The store refuses.
        """

    def tag_image(self, image: Image, tag: str) -> None:
        """Give an image one more tag in its own repository.

        Args:
            image: As ``get_image`` returned it.
            tag: The tag to set or to move.

        Raises:
            InvalidTagError: It is not a tag.
            RegistryClientError: The store refuses.
        """


class ImageStore(ManifestStore, Protocol):
    """A place that holds whole images, with what they consist of and what refers to them."""

    def put_part(self, reference: ImageReference | str, image: Image) -> None:
        """Put a manifest that an index is going to list, under its digest.

        Args:
            reference: Any reference to the repository.
            image: The manifest, whose blobs are there already.

        Raises:
            RegistryClientError: The store refuses.
        """

    def has_blob(self, reference: ImageReference | str, descriptor: Descriptor) -> bool:
        """Find out whether a repository has a blob.

        Args:
            reference: Any reference to the repository.
            descriptor: The blob.

        Returns:
            Whether it is there.

        Raises:
            RegistryClientError: The store gives no proper answer.
        """

    def read_blob(self, reference: ImageReference | str, descriptor: Descriptor, offset: int = 0) -> Iterator[bytes]:
        """Get a blob of any size as a stream.

        Args:
            reference: The repository that it is in.
            descriptor: The blob.
            offset: How many bytes to leave out at the start.

        Yields:
            Its bytes, not checked.

        Raises:
            RegistryClientError: The store gives no proper answer.
        """

    def stream_blob(self, reference: ImageReference | str, descriptor: Descriptor, offset: int = 0) -> Iterator[Part]:
        """Get a blob as ``read_blob`` does, for who is done with each part before asking for the one after the next.

        Args:
            reference: The repository that it is in.
            descriptor: The blob.
            offset: How many bytes to leave out at the start.

        Yields:
            Its bytes, not checked, in parts of which each is good only until the one after the next is asked for.

        Raises:
            RegistryClientError: The store gives no proper answer.
        """

    def mount_blob(self, reference: ImageReference | str, descriptor: Descriptor, repository: str) -> str:
        """Have a blob taken over from another repository of the same store.

        Args:
            reference: The repository that it is to be in.
            descriptor: The blob.
            repository: The repository that has it.

        Returns:
            Where ``write_blob`` may upload it, if the store does not take it over; else empty.

        Raises:
            RegistryClientError: The store gives no proper answer.
        """

    def write_blob(
        self,
        reference: ImageReference | str,
        descriptor: Descriptor,
        source: OpenBlob,
        moved: Callable[[int], object] = ...,
        *,
        location: str = "",
    ) -> None:
        """Put a blob of any size, whose digest is checked on the way.

        Args:
            reference: The repository that it is to be in.
            descriptor: The blob.
            source: Opens it at an offset in bytes.
            moved: Takes the number of bytes each time some are sent.
            location: Where to upload it, from ``mount_blob``.

        Raises:
            DigestMismatchError: The source has other bytes.
            RegistryClientError: The store refuses.
        """

    def get_referrers(
        self, reference: ImageReference | str, *, tags: Collection[str] | None = None
    ) -> list[Descriptor]:
        """List what refers to an image: signatures, attestations, SBOMs.

        Args:
            reference: The image, by digest.
            tags: All tags of the repository, if they are known: it saves asking for a list that is not there.

        Returns:
            The descriptors of those manifests, with their artifact types and annotations.

        Raises:
            RegistryClientError: The store gives no proper answer.
        """

    def get_tags(self, reference: ImageReference | str) -> list[str]:
        """List the tags of a repository.

        Args:
            reference: Any reference to the repository.

        Returns:
            The tags.

        Raises:
            RegistryClientError: The store gives no proper answer.
        """

    def delete_tag(self, reference: ImageReference | str) -> None:
        """Take a tag away; the image stays.

        Args:
            reference: The tag.

        Raises:
            RegistryClientError: The store refuses.
        """

    def check_push(self, reference: ImageReference | str, *, ask: bool = True) -> None:
        """Find out whether one may write to a repository, as far as that can be told without writing.

        Args:
            reference: Any reference to the repository.
            ask: Whether to ask a registry what it wants, once, if it has not said so yet.

        Raises:
            RegistryClientError: One may not.
        """
