"""Locks: bring one up to date, compare it with what is declared, and hand out its pins."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry_client.errors import RegistryClientError, StaleError, UsageError
from registry_client.lockfile import LockedImage, Lockfile
from registry_client.manifest import Descriptor

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from registry_client.layout import LayoutStore
    from registry_client.operations.stores import AnyStore
    from registry_client.reference import ImageReference
    from registry_client.request import LockRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class PinChange:
    """What an update did, or would do, to one pin.

    Attributes:
        name: The image's short name.
        reference: What is declared; for a pin that goes, what was.
        old: The digest in the lock; None if there was none.
        new: The digest from now on; None if the pin goes, or it could not be resolved.
        error: Why it could not be resolved.
    """

    name: str
    reference: str
    old: str | None
    new: str | None
    error: RegistryClientError | None = None

    @property
    def outcome(self) -> str:
        """``failed``, ``removed``, ``added``, ``unchanged`` or ``updated``."""
        if self.error is not None:
            return "failed"
        if self.new is None:
            return "removed"
        if self.old is None:
            return "added"
        return "unchanged" if self.old == self.new else "updated"


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """The result of an update.

    Attributes:
        lock: The new lock; None if an image could not be resolved.
        changes: One entry for each image that was looked at, in the order of the names.
    """

    lock: Lockfile | None
    changes: Sequence[PinChange]


def update_lock(request: LockRequest, old: Lockfile | None, names: Collection[str], store: AnyStore) -> Update:
    """Resolve what is declared, anew.

    Args:
        request: What is declared.
        old: The lock as it is; None if there is none that can be read.
        names: The images to look at; all if empty. The pins of the others stay as they are.
        store: Where the images are.

    Returns:
        The new lock and what is new in it.

    Raises:
        UsageError: A name is not declared.
    """
    _check_names(request, names)
    pins: Mapping[str, LockedImage] = old.images if old else {}
    chosen = [name for name in request.images if not names or name in names]
    results = store.each(lambda name: _resolve(request.images[name], pins.get(name), store), chosen)
    changes = []
    new = {name: pin for name, pin in pins.items() if names or name in request.images}
    for name, result in zip(chosen, results, strict=True):
        pin = pins.get(name)
        reference, old_digest = str(request.images[name]), pin.digest if pin else None
        if isinstance(result, RegistryClientError):
            change = PinChange(name=name, reference=reference, old=old_digest, new=None, error=result)
        else:
            change = PinChange(name=name, reference=reference, old=old_digest, new=result.digest)
            new[name] = result
        changes.append(change)
    if not names:
        changes += [
            PinChange(name=name, reference=pin.reference, old=pin.digest, new=None)
            for name, pin in pins.items()
            if name not in request.images
        ]
    failed = any(change.error for change in changes)
    return Update(
        lock=None if failed else Lockfile(images=new),
        changes=sorted(changes, key=lambda change: change.name),
    )


def check_coverage(request: LockRequest, lock: Lockfile, *, exactly: bool) -> None:
    """Compare a lock with what is declared.

    Args:
        request: What is declared.
        lock: The lock.
        exactly: Whether a pin of something that is not declared is wrong too.

    Raises:
        StaleError: They differ; one line for each difference, then the command that mends it.
    """
    problems = []
    for name, reference in request.images.items():
        pin = lock.images.get(name)
        if pin is None:
            problems.append(f'image "{name}" ({reference}) is not in {request.lockfile}')
        elif pin.reference != str(reference):
            problems.append(f'image "{name}" is declared as {reference}, but {request.lockfile} has {pin.reference}')
    if exactly:
        extra = sorted(lock.images.keys() - request.images.keys())
        problems += [f'image "{name}" of {request.lockfile} is not declared' for name in extra]
    if problems:
        raise stale(request, problems)


def check_layouts(request: LockRequest, lock: Lockfile, layouts: LayoutStore) -> None:
    """Compare the pins of images in layouts on disk with what those list; a layout that is not there is passed over.

    Args:
        request: What is declared.
        lock: A lock that covers it.
        layouts: Where the layouts are.

    Raises:
        StaleError: A pin is of something that its layout does not list.
        RegistryClientError: A layout cannot be read.
    """
    problems = []
    for name, reference in request.images.items():
        pin = lock.images[name]
        if not reference.is_layout or not layouts.exists(reference):
            continue
        locked = Descriptor(media_type=pin.media_type, digest=pin.digest, size=pin.size)
        listed = [replace(descriptor, platform=None) for descriptor in layouts.descriptors(reference)]
        if locked not in listed:
            problems.append(
                f'image "{name}" of {request.lockfile} is pinned to {pin.digest}, which {reference.name} does not list'
            )
    if problems:
        raise stale(request, problems)


def stale(request: LockRequest, problems: Sequence[str]) -> StaleError:
    """Make the error for a lock that is out of date, with the command that mends it."""
    lines = "\n".join(f"{request.target}: {problem}" for problem in problems)
    return StaleError(f"{lines}. To update it, run: {request.update_command}")


def _check_names(request: LockRequest, names: Collection[str]) -> None:
    unknown = sorted(set(names) - request.images.keys())
    if unknown:
        message = f"{request.target}: no image is called {', '.join(unknown)}; choose from: {', '.join(request.images)}"
        raise UsageError(message)


def _resolve(reference: ImageReference, pin: LockedImage | None, store: AnyStore) -> LockedImage:
    """Resolve one image; the manifest itself is only got if it is not the one that is locked."""
    descriptor = store.resolve(reference)
    if pin is not None and pin.reference == str(reference) and pin.digest == descriptor.digest:
        return pin
    platforms: Mapping[str, str] = {}
    if descriptor.is_index:
        platforms = store.get_image(reference.pinned(descriptor.digest)).platforms
    return LockedImage(
        reference=str(reference),
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        size=descriptor.size,
        platforms=platforms,
    )
