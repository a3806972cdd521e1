"""Coverage: whether a lock has what is declared, and what mends it if it has not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_client.errors import StaleError, UsageError
from registry_client.platforms import fits, parse_platform

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from registry_client.descriptor import Platform
    from registry_client.layout import LayoutStore
    from registry_client.lockfile import LockedImage, Lockfile
    from registry_client.operations.salvage import FoundLock
    from registry_client.reference import ImageReference
    from registry_client.request import LockRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class Mismatch:
    """A difference between a lock and what is declared.

    Attributes:
        message: What differs.
        is_mended_by_update: False if an update of the image changes nothing; the message says then what does.
    """

    message: str
    is_mended_by_update: bool = True


def find_mismatches(request: LockRequest, lock: Lockfile, *, exactly: bool) -> dict[str, Mismatch]:
    """Compare a lock with what is declared.

    Args:
        request: What is declared.
        lock: The lock.
        exactly: Whether what makes no difference to a build is wrong too: a pin of something that is not declared, a
            note of what is frozen that does not agree.

    Returns:
        What is wrong, by the name of the image; empty if nothing is.
    """
    found = {name: _mismatch(request, name, lock.images.get(name), exactly=exactly) for name in request.images}
    mismatches = {name: mismatch for name, mismatch in found.items() if mismatch}
    if exactly:
        for name in sorted(lock.images.keys() - request.images.keys()):
            mismatches[name] = Mismatch(message=f'image "{name}" of {request.lockfile} is not declared')
    return mismatches


def check_coverage(request: LockRequest, lock: Lockfile, *, exactly: bool) -> None:
    """Refuse a lock that does not cover what is declared, see ``find_mismatches``.

    Raises:
        StaleError: They differ; one line for each difference, then the command that mends it.
    """
    mismatches = find_mismatches(request, lock, exactly=exactly)
    if mismatches:
        # the command mends all of it, or the next test would name another one
        raise _stale(request, mismatches, names=_to_update(find_mismatches(request, lock, exactly=True)))


def check_layouts(request: LockRequest, lock: Lockfile, layouts: LayoutStore) -> None:
    """Compare the pins of images in layouts on disk with what those have; a layout that is not there is passed over.

    Args:
        request: What is declared.
        lock: A lock that covers it.
        layouts: Where the layouts are.

    Raises:
        StaleError: A pin is of something that its layout does not list; or of a digest that is declared, and not there.
        RegistryClientError: A layout cannot be read.
    """
    mismatches = {}
    for name, reference in request.images.items():
        pin = lock.images[name]
        if not reference.is_layout or not layouts.exists(reference) or _is_in_layout(pin, reference, layouts):
            continue
        message = f'image "{name}" of {request.lockfile} is pinned to {pin.digest}, which {reference.name} does not'
        is_frozen = name in request.frozen
        remedy = " have; put it there again, or take it out of frozen" if is_frozen else " list"
        mismatches[name] = Mismatch(message=message + remedy, is_mended_by_update=not is_frozen)
    if mismatches:
        raise _stale(request, mismatches, names=_to_update(mismatches))


def absent(request: LockRequest) -> StaleError:
    """Make the error for a lock that is not there."""
    return StaleError(f"{request.target}: {request.lockfile} is not there. {request.remedy()}")


def broken(request: LockRequest, found: FoundLock) -> StaleError:
    """Make the error for a lock that breaks its schema, with the command that leaves alone what can be told of it.

    Args:
        request: What is declared.
        found: The lock.

    Returns:
        The error.
    """
    if found.dead_end or found.lock is None:
        remedy = "" if found.dead_end else f". {request.remedy()}"
        return StaleError(f"{request.target}: {found.complaint}{remedy}")
    mismatches = find_mismatches(request, found.lock, exactly=True)
    for name in found.doubtful & request.images.keys():
        mismatches[name] = Mismatch(message=in_doubt(request, name))
    whole = {"": Mismatch(message=found.complaint, is_mended_by_update=False)}
    # where no pin is to blame, the file as a whole is
    return _stale(request, whole | mismatches, names=_to_update(mismatches) or None)


def in_doubt(request: LockRequest, name: str) -> str:
    """Say that a lock that breaks its schema says nothing clear of an image."""
    return f'the pin of image "{name}" ({request.images[name]}) is in doubt'


def missing_platforms(pin: LockedImage, wanted: Sequence[Platform]) -> list[Platform]:
    """Tell which platforms an index is not for.

    Args:
        pin: A pin. A single manifest does not say in the lock what it is for: of it, nothing is missing.
        wanted: The platforms that it should be for.

    Returns:
        Those of them that it is not for.
    """
    if not pin.descriptor.is_index:
        return []
    offered = [platform for platform in map(_platform, pin.platforms) if platform]
    return [platform for platform in wanted if not any(fits(offer, platform) for offer in offered)]


def frozen_without(missing: Sequence[Platform]) -> str:
    """Say what is wrong with an image that is frozen where it lacks platforms, and what mends that."""
    return (
        f"is frozen to a digest that is not there for {', '.join(map(str, missing))}; "
        "take it out of frozen, or what is missing out of platforms"
    )


def _mismatch(request: LockRequest, name: str, pin: LockedImage | None, *, exactly: bool) -> Mismatch | None:
    reference, frozen = request.images[name], request.frozen.get(name, "")
    if pin is None:
        return Mismatch(message=f'image "{name}" ({reference}) is not in {request.lockfile}')
    if not pin.is_of(reference):
        pinned = pin.reference if pin.reference != str(reference) else pin.pinned
        return Mismatch(message=f'image "{name}" is declared as {reference}, but {request.lockfile} has {pinned}')
    missing = missing_platforms(pin, request.platforms)
    if missing and frozen:
        return Mismatch(message=f'image "{name}" {frozen_without(missing)}', is_mended_by_update=False)
    if missing:
        listed = ", ".join(map(str, missing))
        return Mismatch(message=f'image "{name}" of {request.lockfile} is not there for {listed}')
    if exactly and pin.frozen != frozen:
        declared = f'frozen ("{frozen}")' if frozen else "not frozen"
        return Mismatch(message=f'image "{name}" is {declared}, but {request.lockfile} differs')
    return None


def _stale(request: LockRequest, mismatches: dict[str, Mismatch], names: Collection[str] | None) -> StaleError:
    """The error, with the command for some images, for none of them, or (None) for the lock as a whole."""
    lines = "\n".join(f"{request.target}: {mismatch.message}" for mismatch in mismatches.values())
    helps = names is None or names
    return StaleError(f"{lines}. {request.remedy(names or ())}" if helps else lines)


def _to_update(mismatches: dict[str, Mismatch]) -> list[str]:
    return [name for name, mismatch in mismatches.items() if mismatch.is_mended_by_update]


def _is_in_layout(pin: LockedImage, reference: ImageReference, layouts: LayoutStore) -> bool:
    listed = {(each.media_type, each.digest, each.size) for each in layouts.descriptors(reference)}
    if (pin.media_type, pin.digest, pin.size) in listed:
        return True
    # who declares a digest may mean an image that only an index of the layout lists
    return reference.digest is not None and layouts.has_blob(reference, pin.descriptor)


def _platform(text: str) -> Platform | None:
    try:
        return parse_platform(text)
    except UsageError:
        # an index may say what it likes, and nobody asks for that
        return None
