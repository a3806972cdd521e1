"""What a registry and a layout on disk have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from registry_client.descriptor import Descriptor
    from registry_client.manifest import Image
    from registry_client.reference import ImageReference


class ImageStore(Protocol):
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
