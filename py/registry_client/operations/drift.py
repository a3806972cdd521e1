"""Drift: which tags point elsewhere by now, and which pins nobody can have any more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry_client.errors import RegistryClientError
from registry_client.operations.coverage import find_mismatches
from registry_client.operations.pin_result import PinOutcome, PinResult
from registry_client.operations.selection import digest_if_there

if TYPE_CHECKING:
    from registry_client.lockfile import LockedImage, Lockfile
    from registry_client.operations.coverage import Mismatch
    from registry_client.operations.stores import AnyStore
    from registry_client.reference import ImageReference
    from registry_client.request import LockRequest
    from registry_client.store import ManifestStore

_GONE = "the registry does not have what is pinned any more"


def check_drift(request: LockRequest, lock: Lockfile, store: AnyStore) -> list[PinResult]:
    """Compare a lock with what the tags point to by now.

    One HEAD for each tag, and one more for the digest if the tag is not where it was.

    Args:
        request: What is declared.
        lock: The lock.
        store: Where the images are.

    Returns:
        One result for each image that is declared or locked, in the order of the names.
    """
    mismatches = find_mismatches(request, lock, exactly=True)
    pins = {
        name: pin
        for name, pin in lock.images.items()
        if name in request.images and pin.reference == str(request.images[name])
    }
    looks = dict(
        zip(pins, store.each(lambda name: _look(request.images[name], pins[name], store), list(pins)), strict=True)
    )
    return [
        _result(request, lock, name, looks.get(name), mismatches.get(name))
        for name in sorted(request.images.keys() | lock.images.keys())
    ]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What a registry has: the digest of the tag, if that is there, and whether it has the pinned one."""

    digest: str | None
    has_pin: bool


def _look(reference: ImageReference, pin: LockedImage, store: ManifestStore) -> _Look:
    digest = digest_if_there(store, reference)
    has_pin = digest == pin.digest or digest_if_there(store, reference.pinned(pin.digest)) is not None
    return _Look(digest=digest, has_pin=has_pin)


def _result(
    request: LockRequest,
    lock: Lockfile,
    name: str,
    look: _Look | RegistryClientError | None,
    mismatch: Mismatch | None,
) -> PinResult:
    """What became of a pin; that it is gone is worse than that it is not of what is declared."""
    pin, declared = lock.images.get(name), request.images.get(name)
    result = PinResult(
        name=name,
        reference=str(declared or (pin and pin.reference)),
        old=pin.digest if pin else None,
        new=None,
        outcome=PinOutcome.FAILED,
    )
    if isinstance(look, RegistryClientError):
        return replace(result, error=look)
    if look is not None and not look.has_pin:
        follows = look.digest is not None and name not in request.frozen
        return replace(result, new=look.digest, outcome=PinOutcome.GONE, reason=_GONE, is_mended_by_update=follows)
    if mismatch is not None:
        mended = mismatch.is_mended_by_update
        return replace(result, outcome=PinOutcome.STALE, reason=mismatch.message, is_mended_by_update=mended)
    return _compared(result, look, request.frozen.get(name, ""))


def _compared(result: PinResult, look: _Look | None, frozen: str) -> PinResult:
    """How far a pin is from its tag."""
    digest = look.digest if look else None
    result = replace(result, new=digest)
    if digest == result.old:
        return replace(result, outcome=PinOutcome.UNCHANGED)
    if frozen:
        return replace(result, outcome=PinOutcome.SKIPPED, reason=frozen)
    reason = "" if digest else "the registry does not have the tag any more"
    return replace(result, outcome=PinOutcome.DRIFTED, reason=reason, is_mended_by_update=digest is not None)
