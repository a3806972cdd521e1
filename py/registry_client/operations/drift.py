"""Drift: which tags point elsewhere by now, and which pins nobody can have any more."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry_client.errors import RegistryClientError
from registry_client.operations.locking import stale_pins
from registry_client.operations.pin_result import PinOutcome, PinResult
from registry_client.operations.selection import digest_if_there

if TYPE_CHECKING:
    from registry_client.lockfile import LockedImage, Lockfile
    from registry_client.operations.stores import AnyStore
    from registry_client.reference import ImageReference
    from registry_client.request import LockRequest
    from registry_client.store import ManifestStore


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
    problems = stale_pins(request, lock, exactly=True)
    covered = [name for name in request.images if name not in problems]
    looks = store.each(lambda name: _look(request.images[name], lock.images[name], store), covered)
    results = [_result(name, lock.images[name], look) for name, look in zip(covered, looks, strict=True)]
    results += [_stale(request, lock, name, problem) for name, problem in problems.items()]
    return sorted(results, key=lambda result: result.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Look:
    """What a registry has: the digest of the tag, if that is there, and whether it has the pinned one."""

    digest: str | None
    has_pin: bool


def _look(reference: ImageReference, pin: LockedImage, store: ManifestStore) -> _Look:
    digest = digest_if_there(store, reference)
    has_pin = digest == pin.digest or digest_if_there(store, reference.pinned(pin.digest)) is not None
    return _Look(digest=digest, has_pin=has_pin)


def _result(name: str, pin: LockedImage, look: _Look | RegistryClientError) -> PinResult:
    result = PinResult(name=name, reference=pin.reference, old=pin.digest, new=None, outcome=PinOutcome.FAILED)
    if isinstance(look, RegistryClientError):
        return replace(result, error=look)
    result = replace(result, new=look.digest)
    if not look.has_pin:
        return replace(result, outcome=PinOutcome.GONE, reason="the registry does not have what is pinned any more")
    if look.digest == pin.digest:
        return replace(result, outcome=PinOutcome.UNCHANGED)
    if pin.frozen:
        return replace(result, outcome=PinOutcome.SKIPPED, reason=pin.frozen)
    reason = "" if look.digest else "the registry does not have the tag any more"
    return replace(result, outcome=PinOutcome.DRIFTED, reason=reason)


def _stale(request: LockRequest, lock: Lockfile, name: str, problem: str) -> PinResult:
    pin = lock.images.get(name)
    reference = str(request.images[name]) if name in request.images or pin is None else pin.reference
    return PinResult(
        name=name,
        reference=reference,
        old=pin.digest if pin else None,
        new=None,
        outcome=PinOutcome.STALE,
        reason=problem,
    )
