"""What a reference points to: the digest if there is one, or the image for a platform."""

from __future__ import annotations

from typing import TYPE_CHECKING

from registry_client.descriptor import IMAGE_CONFIG_TYPES, Platform
from registry_client.errors import BadRegistryResponseError, PlatformError, RegistryClientError, is_denied, is_not_found
from registry_client.manifest import parse_manifest
from registry_client.platforms import fits, select

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from registry_client.descriptor import Descriptor
    from registry_client.manifest import Image
    from registry_client.reference import ImageReference
    from registry_client.store import ManifestStore

_MAX_DEPTH = 4
"""How many indexes may be within each other."""


def resolve_platform(store: ManifestStore, reference: ImageReference, wanted: Platform) -> Descriptor:
    """Resolve a reference to its image for a platform.

    Args:
        store: Where the image is.
        reference: An index, an image for one platform, or an artifact, which is for all.
        wanted: The platform.

    Returns:
        The descriptor of a manifest.

    Raises:
        PlatformError: There is none for the platform, or there are several.
        RegistryClientError: The store gives no proper answer.
    """
    image = store.get_image(reference)
    if image.descriptor.is_index:
        return select(list(_images(store, reference, image, wanted, _MAX_DEPTH)), wanted, str(reference))
    platform = _platform_of(store, reference, image)
    if platform is not None and not fits(platform, wanted):
        message = f"{reference}: {wanted} is not there; it is an image for {platform} only"
        raise PlatformError(message)
    return image.descriptor


def check_platforms(store: ManifestStore, reference: ImageReference, wanted: Sequence[Platform]) -> None:
    """Refuse a single manifest that is not for all of some platforms.

    Args:
        store: Where the image is.
        reference: An image for one platform, or an artifact, which is for all.
        wanted: The platforms.

    Raises:
        PlatformError: It is not for one of them.
        RegistryClientError: The store gives no proper answer.
    """
    platform = _platform_of(store, reference, store.get_image(reference))
    missing = [each for each in wanted if platform is not None and not fits(platform, each)]
    if missing:
        message = f"{reference}: {', '.join(map(str, missing))} is not there; it is an image for {platform} only"
        raise PlatformError(message)


def digest_if_there(store: ManifestStore, reference: ImageReference) -> str | None:
    """Resolve a reference to what may not exist.

    Args:
        store: Where the image would be.
        reference: The reference.

    Returns:
        The digest; None if the store says that it has no such image.

    Raises:
        RegistryClientError: The store gives no proper answer.
    """
    try:
        return store.resolve(reference).digest
    except RegistryClientError as error:
        if is_not_found(error):
            return None
        raise


def digest_if_seen(store: ManifestStore, reference: ImageReference) -> str | None:
    """Resolve a reference to a place that is about to be written to, and may not exist.

    Args:
        store: Where the image would be.
        reference: The reference.

    Returns:
        The digest; None if there is no such image, or if we may not look: some registries say so of what is not there,
        and whether we may write is another question.

    Raises:
        RegistryClientError: The store gives no proper answer.
    """
    try:
        return digest_if_there(store, reference)
    except RegistryClientError as error:
        if is_denied(error):
            return None
        raise


def _images(
    store: ManifestStore, reference: ImageReference, index: Image, wanted: Platform, depth: int
) -> Iterator[Descriptor]:
    """The images of an index, and of the indexes within it that may hold one for the platform."""
    if not depth:
        message = f"{reference} has more than {_MAX_DEPTH} indexes within each other"
        raise BadRegistryResponseError(message)
    for child in index.children:
        if not child.is_index:
            yield child
        elif child.platform is None or fits(child.platform, wanted):
            nested = store.get_image(reference.pinned(child.digest))
            yield from _images(store, reference, nested, wanted, depth - 1)


def _platform_of(store: ManifestStore, reference: ImageReference, image: Image) -> Platform | None:
    """The platform that an image's configuration names; None for an artifact."""
    config = image.config
    if config is None or config.media_type not in IMAGE_CONFIG_TYPES:
        return None
    return Platform.from_json(parse_manifest(store.get_blob(reference, config), image.reference))
