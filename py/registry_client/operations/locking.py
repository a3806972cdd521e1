"""Locks: bring one up to date."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry_client.errors import PlatformError, RegistryClientError, UsageError
from registry_client.lockfile import LockedImage, Lockfile
from registry_client.operations.coverage import frozen_without, missing_platforms
from registry_client.operations.pin_result import PinOutcome, PinResult
from registry_client.operations.selection import check_platforms

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from registry_client.descriptor import Descriptor
    from registry_client.operations.stores import AnyStore
    from registry_client.reference import ImageReference
    from registry_client.request import LockRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Update:
    """The result of an update.

    Attributes:
        results: One entry for each image that was looked at, in the order of the names.
        pins: The new pins by name; None for one that goes.
    """

    results: Sequence[PinResult]
    pins: Mapping[str, LockedImage | None]

    @property
    def failed(self) -> bool:
        """Whether an image could not be resolved, so that nothing may be written."""
        return any(result.error for result in self.results)

    def apply(self, lock: Lockfile | None) -> Lockfile:
        """Put the new pins into a lock, whatever else has come into it in the meantime.

        Args:
            lock: The lock as it is now; None if there is none that can be read.

        Returns:
            The lock as it is to be.
        """
        images = {**(lock.images if lock else {}), **self.pins}
        return Lockfile(images={name: pin for name, pin in images.items() if pin is not None})


def update_lock(request: LockRequest, old: Lockfile | None, names: Collection[str], store: AnyStore) -> Update:
    """Resolve what is declared, anew.

    What is frozen is resolved only if there is no pin for what is declared; a pin moves along with an image that got
    another name. The platform of a single manifest is looked at when its pin is new or moves, or when it is named.

    Args:
        request: What is declared.
        old: The lock as it is; None if there is none that can be read.
        names: The images to look at, declared or only locked; all if empty. The pins of the others stay as they are.
        store: Where the images are.

    Returns:
        The new pins, and what is new in them.

    Raises:
        UsageError: A name is neither declared nor locked.
    """
    locked: Mapping[str, LockedImage] = old.images if old else {}
    _check_names(request, locked, names)
    chosen = [name for name in request.images if not names or name in names]
    leaving = [name for name in locked if name not in request.images and (not names or name in names)]
    known = {name: _known(request, locked, name) for name in chosen}
    found = {name: _kept(request, name, pin) for name, pin in known.items() if pin and name in request.frozen}
    moving = [name for name in chosen if name not in found]

    def resolve(name: str) -> LockedImage:
        return _resolve(request, name, known[name], store, named=name in names)

    found |= dict(zip(moving, store.each(resolve, moving), strict=True))
    results = [_result(request, name, locked.get(name), found[name]) for name in chosen]
    results += [_removed(name, locked[name]) for name in leaving]
    return Update(
        results=sorted(results, key=lambda result: result.name),
        pins={name: pin for name, pin in found.items() if isinstance(pin, LockedImage)} | dict.fromkeys(leaving),
    )


def _check_names(request: LockRequest, locked: Collection[str], names: Collection[str]) -> None:
    unknown = sorted(set(names) - set(request.images) - set(locked))
    if unknown:
        message = f"{request.target}: no image is called {', '.join(unknown)}; choose from: {', '.join(request.images)}"
        raise UsageError(message)


def _known(request: LockRequest, locked: Mapping[str, LockedImage], name: str) -> LockedImage | None:
    """The pin of what is declared, also if that had another name; of several, one that is frozen."""
    reference, own = request.images[name], locked.get(name)
    if own is not None and own.is_of(reference):
        return own
    left = [pin for old, pin in locked.items() if old not in request.images or not pin.is_of(request.images[old])]
    return max((pin for pin in left if pin.is_of(reference)), key=lambda pin: bool(pin.frozen), default=None)


def _kept(request: LockRequest, name: str, pin: LockedImage) -> LockedImage | RegistryClientError:
    """The pin of what is frozen, or what is wrong with it."""
    missing = missing_platforms(pin, request.platforms)
    if missing:
        return PlatformError(f"it {frozen_without(missing)}")
    return replace(pin, frozen=request.frozen[name])


def _resolve(
    request: LockRequest, name: str, known: LockedImage | None, store: AnyStore, *, named: bool
) -> LockedImage:
    """Resolve one image; the manifest itself is only got if it is not the one that is locked, or somebody asks."""
    reference = request.images[name]
    descriptor = store.resolve(reference)
    is_new = known is None or known.descriptor != descriptor
    pin = _pin(reference, descriptor, store) if known is None or is_new else known
    missing = missing_platforms(pin, request.platforms)
    if missing:
        offered = ", ".join(sorted(pin.platforms)) or "none at all"
        listed = ", ".join(map(str, missing))
        message = f"it is not there for {listed}, which platforms asks for; it is there for {offered}"
        raise PlatformError(message)
    if request.platforms and (is_new or named) and not descriptor.is_index:
        check_platforms(store, reference.pinned(pin.digest), request.platforms)
    return replace(pin, frozen=request.frozen.get(name, ""))


def _pin(reference: ImageReference, descriptor: Descriptor, store: AnyStore) -> LockedImage:
    is_index = descriptor.is_index
    return LockedImage(
        reference=str(reference),
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        size=descriptor.size,
        platforms=store.get_image(reference.pinned(descriptor.digest)).platforms if is_index else {},
    )


def _result(
    request: LockRequest, name: str, own: LockedImage | None, found: LockedImage | RegistryClientError
) -> PinResult:
    reference, old = request.images[name], own.digest if own else None
    result = PinResult(name=name, reference=str(reference), old=old, new=None, outcome=PinOutcome.FAILED)
    if isinstance(found, RegistryClientError):
        return replace(result, error=found)
    reason = request.frozen.get(name, "")
    if own is None:
        outcome = PinOutcome.ADDED
    elif reason and own.is_of(reference):
        outcome = PinOutcome.SKIPPED
    else:
        outcome = PinOutcome.UNCHANGED if own == found else PinOutcome.UPDATED
    return replace(result, new=found.digest, outcome=outcome, reason=reason)


def _removed(name: str, pin: LockedImage) -> PinResult:
    return PinResult(name=name, reference=pin.reference, old=pin.digest, new=None, outcome=PinOutcome.REMOVED)
