"""One store for all references, on registries and on disk, and how many of them are worked on at once."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from registry_client.errors import RegistryClientError
from registry_client.reference import ImageReference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from registry_client.client import Client
    from registry_client.descriptor import Descriptor
    from registry_client.manifest import Image
    from registry_client.store import ImageStore

CONCURRENCY = 16
"""How many requests may be under way at once, unless told otherwise."""

_T = TypeVar("_T")
_R = TypeVar("_R")


Progress = Callable[[int, str], "AbstractContextManager[Callable[[int], object]]"]
"""Shows how far things are: takes how many there are and of what unit, gives what is to be told of each step."""


@contextmanager
def silence(_total: int, _unit: str) -> Iterator[Callable[[int], object]]:
    """The progress that nobody sees."""
    yield lambda _: None


class AnyStore:
    """Sends each reference to the store that it belongs to, from as many threads as are allowed.

    A registry client is made only when the first reference needs one: a layout on disk needs no HTTP library.
    """

    def __init__(
        self,
        layouts: ImageStore,
        open_registries: Callable[[], Client],
        *,
        concurrency: int = CONCURRENCY,
        progress: Progress = silence,
    ) -> None:
        """Open nothing yet.

        Args:
            layouts: The store for ``oci-layout:`` references.
            open_registries: Makes the store for all others.
            concurrency: How many things to do at once.
            progress: Shows how far many things are.
        """
        self._layouts = layouts
        self._open_registries = open_registries
        self._registries: Client | None = None
        self._opening = threading.Lock()
        self._images: dict[ImageReference | None, Image] = {}
        self._concurrency = concurrency
        self._progress = progress

    @property
    def request_counts(self) -> Counter[str]:
        """How many requests of each method registries have been sent."""
        return self._registries.request_counts if self._registries else Counter()

    def of(self, reference: ImageReference | str) -> ImageStore:
        """The store that a reference belongs to."""
        parsed = parse_reference(reference) if isinstance(reference, str) else reference
        if parsed.is_layout:
            return self._layouts
        with self._opening:
            if self._registries is None:
                self._registries = self._open_registries()
        return self._registries

    def resolve(self, reference: ImageReference | str) -> Descriptor:
        """See ``ImageStore``."""
        return self.of(reference).resolve(reference)

    def get_image(self, reference: ImageReference | str) -> Image:
        """See ``ImageStore``; what has a digest is got once."""
        parsed = parse_reference(reference) if isinstance(reference, str) else reference
        key = parsed.pinned(parsed.digest) if parsed.digest else None
        if key in self._images:
            return self._images[key]
        image = self.of(parsed).get_image(parsed)
        self._images[parsed.pinned(image.digest)] = image
        return image

    def get_blob(self, reference: ImageReference | str, descriptor: Descriptor) -> bytes:
        """See ``ImageStore``."""
        return self.of(reference).get_blob(reference, descriptor)

    def put_image(self, reference: ImageReference | str, image: Image) -> None:
        """See ``ImageStore``."""
        self.of(reference).put_image(reference, image)

    def tag_image(self, image: Image, tag: str) -> None:
        """See ``ImageStore``."""
        self.of(image.reference).tag_image(image, tag)

    def progress(self, total: int, unit: str) -> AbstractContextManager[Callable[[int], object]]:
        """Show how far something is, see ``Progress``."""
        return self._progress(total, unit)

    def each(
        self,
        function: Callable[[_T], _R],
        items: Sequence[_T],
        *,
        unit: str = " images",
    ) -> list[_R | RegistryClientError]:
        """Do something with many items at once; one that fails stops no other.

        Args:
            function: What to do with an item.
            items: The items.
            unit: What the items are, for the progress; empty for none to be shown.

        Returns:
            For each item, in order: the function's result, or the error that it raised; one of the system, or of what a
            server or a file says, is wrapped.
        """
        progress = self._progress if unit else silence
        with progress(len(items), unit) as advance, _pool(self._concurrency) as pool:

            def attempt(item: _T) -> _R | RegistryClientError:
                try:
                    return _done(function, item)
                except RegistryClientError as error:
                    return error
                finally:
                    advance(1)

            return list(pool.map(attempt, items))


@contextmanager
def _pool(workers: int) -> Iterator[ThreadPoolExecutor]:
    """Threads that all come to their end, unless somebody interrupts: then they are not waited for."""
    pool = ThreadPoolExecutor(max_workers=workers)
    is_awaited = True
    try:
        yield pool
    except KeyboardInterrupt:
        is_awaited = False
        raise
    finally:
        pool.shutdown(wait=is_awaited, cancel_futures=True)


def _done(function: Callable[[_T], _R], item: _T) -> _R:
    """Do something with an item.

    Raises:
        RegistryClientError: Whatever goes wrong: what nobody foresaw must not end the run for all others.
    """
    try:
        return function(item)
    except RegistryClientError:
        raise
    except (OSError, ValueError) as error:
        message = f"it cannot be done: {type(error).__name__}: {error}"
        raise RegistryClientError(message) from error
