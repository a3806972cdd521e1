"""One store for all references, on registries and on disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, TypeVar

from registry_client.errors import RegistryClientError
from registry_client.reference import ImageReference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from registry_client.manifest import Descriptor, Image
    from registry_client.store import ImageStore

CONCURRENCY = 16
"""How many requests may be under way at once."""

_T = TypeVar("_T")
_R = TypeVar("_R")


class AnyStore:
    """Sends each reference to the store that it belongs to.

    A registry client is made only when the first reference needs one: a layout on disk needs no HTTP library.
    """

    def __init__(self, layouts: ImageStore, open_registries: Callable[[], ImageStore]) -> None:
        """Open nothing yet.

        Args:
            layouts: The store for ``oci-layout:`` references.
            open_registries: Makes the store for all others.
        """
        self._layouts = layouts
        self._open_registries = open_registries
        self._registries: ImageStore | None = None

    def prepare(self, references: Sequence[ImageReference]) -> None:
        """Make the client before threads start, if one of the references needs it."""
        for reference in references:
            self._store_of(reference)

    def resolve(self, reference: ImageReference | str) -> Descriptor:
        """See ``ImageStore``."""
        return self._store_of(reference).resolve(reference)

    def get_image(self, reference: ImageReference | str) -> Image:
        """See ``ImageStore``."""
        return self._store_of(reference).get_image(reference)

    def put_image(self, reference: ImageReference | str, image: Image) -> None:
        """See ``ImageStore``."""
        self._store_of(reference).put_image(reference, image)

    def tag_image(self, image: Image, tag: str) -> None:
        """See ``ImageStore``."""
        self._store_of(image.reference).tag_image(image, tag)

    def _store_of(self, reference: ImageReference | str) -> ImageStore:
        parsed = parse_reference(reference) if isinstance(reference, str) else reference
        if parsed.is_layout:
            return self._layouts
        if self._registries is None:
            self._registries = self._open_registries()
        return self._registries


def in_parallel(function: Callable[[_T], _R], items: Sequence[_T]) -> list[_R | RegistryClientError]:
    """Do many things at once; one that fails stops no other.

    Args:
        function: What to do with an item.
        items: The items.

    Returns:
        For each item, in order: the function's result, or the error that it raised.
    """

    def attempt(item: _T) -> _R | RegistryClientError:
        try:
            return function(item)
        except RegistryClientError as error:
            return error

    with ThreadPoolExecutor(max_workers=CONCURRENCY) as pool:
        return list(pool.map(attempt, items))
