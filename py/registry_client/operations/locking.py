"""Locks: bring one up to date, and compare it with what is declared."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry_client.descriptor import Descriptor
from registry_client.errors import PlatformError, RegistryClientError, StaleError, UsageError
from registry_client.lockfile import LockedImage, Lockfile
from registry_client.operations.pin_result import PinOutcome, PinResult
from registry_client.operations.selection import resolve_platform
from registry_client.platforms import fits, parse_platform

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from registry_client.descriptor import Platform
    from registry_client.layout import LayoutStore
    from registry_client.operations.stores import AnyStore
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
    another name.

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
    known = {name: locked.get(name) or _renamed(request, locked, name) for name in chosen}
    kept = {name: pin for name, pin in known.items() if name in request.frozen and _is_for(request, name, pin)}
    moving = [name for name in chosen if name not in kept]
    resolved = dict(
        zip(moving, store.each(lambda name: _resolve(request, name, known[name], store), moving), strict=True)
    )
    results = [_result(request, name, locked.get(name), (kept | resolved)[name]) for name in chosen]
    results += [_removed(name, locked[name]) for name in leaving]
    pins = {name: replace(pin, frozen=request.frozen[name]) for name, pin in kept.items() if pin}
    pins |= {name: pin for name, pin in resolved.items() if isinstance(pin, LockedImage)}
    return Update(
        results=sorted(results, key=lambda result: result.name),
        pins=pins | dict.fromkeys(leaving),
    )


def stale_pins(request: LockRequest, lock: Lockfile, *, exactly: bool) -> dict[str, str]:
    """Compare a lock with what is declared.

    Args:
        request: What is declared.
        lock: The lock.
        exactly: Whether what makes no difference to a build is wrong too: a pin of something that is not declared, a
            note of what is frozen that does not agree.

    Returns:
        What is wrong, by the name of the image; empty if nothing is.
    """
    problems = {}
    for name, reference in request.images.items():
        pin = lock.images.get(name)
        missing = missing_platforms(pin, request.platforms) if pin else []
        if pin is None:
            problems[name] = f'image "{name}" ({reference}) is not in {request.lockfile}'
        elif pin.reference != str(reference):
            problems[name] = f'image "{name}" is declared as {reference}, but {request.lockfile} has {pin.reference}'
        elif missing:
            problems[name] = f'image "{name}" of {request.lockfile} is not there for {_listed(missing)}'
        elif exactly and pin.frozen != request.frozen.get(name, ""):
            problems[name] = f'image "{name}" is {_frozen(request.frozen.get(name))}, but {request.lockfile} differs'
    if exactly:
        extra = sorted(lock.images.keys() - request.images.keys())
        problems |= {name: f'image "{name}" of {request.lockfile} is not declared' for name in extra}
    return problems


def check_coverage(request: LockRequest, lock: Lockfile, *, exactly: bool) -> None:
    """Refuse a lock that does not cover what is declared, see ``stale_pins``.

    Raises:
        StaleError: They differ; one line for each difference, then the command that mends it.
    """
    problems = stale_pins(request, lock, exactly=exactly)
    if problems:
        # the command mends all of it, or the next test would name another one
        raise stale(request, list(problems.values()), names=stale_pins(request, lock, exactly=True))


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
    problems = {}
    for name, reference in request.images.items():
        pin = lock.images[name]
        if not reference.is_layout or not layouts.exists(reference):
            continue
        listed = {(each.media_type, each.digest, each.size) for each in layouts.descriptors(reference)}
        if (pin.media_type, pin.digest, pin.size) not in listed:
            problems[name] = (
                f'image "{name}" of {request.lockfile} is pinned to {pin.digest}, which {reference.name} does not list'
            )
    if problems:
        raise stale(request, list(problems.values()), names=problems)


def stale(request: LockRequest, problems: Sequence[str], *, names: Collection[str] = ()) -> StaleError:
    """Make the error for a lock that is out of date, with the command that mends it.

    Args:
        request: What is declared.
        problems: What is wrong, a line each.
        names: The images that it is wrong with; empty for the lock as a whole.

    Returns:
        The error.
    """
    lines = "\n".join(f"{request.target}: {problem}" for problem in problems)
    return StaleError(f"{lines}. {request.remedy(names)}")


def missing_platforms(pin: LockedImage, wanted: Sequence[Platform]) -> list[Platform]:
    """Tell which platforms an index is not for.

    Args:
        pin: A pin. A single manifest does not say in the lock what it is for: of it, nothing is missing.
        wanted: The platforms that it should be for.

    Returns:
        Those of them that it is not for.
    """
    if not _is_index(pin):
        return []
    offered = [platform for platform in map(_platform, pin.platforms) if platform]
    return [platform for platform in wanted if not any(fits(offer, platform) for offer in offered)]


def _check_names(request: LockRequest, locked: Collection[str], names: Collection[str]) -> None:
    unknown = sorted(set(names) - set(request.images) - set(locked))
    if unknown:
        message = f"{request.target}: no image is called {', '.join(unknown)}; choose from: {', '.join(request.images)}"
        raise UsageError(message)


def _renamed(request: LockRequest, locked: Mapping[str, LockedImage], name: str) -> LockedImage | None:
    """The pin of an image that has another name now: of the same reference, and not declared any more."""
    pins = [pin for old, pin in locked.items() if old not in request.images and _is_for(request, name, pin)]
    return pins[0] if pins else None


def _is_for(request: LockRequest, name: str, pin: LockedImage | None) -> bool:
    return pin is not None and pin.reference == str(request.images[name])


def _resolve(request: LockRequest, name: str, known: LockedImage | None, store: AnyStore) -> LockedImage:
    """Resolve one image; the manifest itself is only got if it is not the one that is locked."""
    reference = request.images[name]
    descriptor = store.resolve(reference)
    pin = known
    if pin is None or not _is_for(request, name, pin) or pin.digest != descriptor.digest:
        platforms: Mapping[str, str] = {}
        if descriptor.is_index:
            platforms = store.get_image(reference.pinned(descriptor.digest)).platforms
        pin = LockedImage(
            reference=str(reference),
            digest=descriptor.digest,
            media_type=descriptor.media_type,
            size=descriptor.size,
            platforms=platforms,
        )
    missing = missing_platforms(pin, request.platforms)
    if missing:
        offered = ", ".join(sorted(pin.platforms)) or "none at all"
        message = f"it is not there for {_listed(missing)}, which platforms asks for; it is there for {offered}"
        raise PlatformError(message)
    if not _is_index(pin):
        for platform in request.platforms:
            resolve_platform(store, reference.pinned(pin.digest), platform)
    return replace(pin, frozen=request.frozen.get(name, ""))


def _result(
    request: LockRequest, name: str, own: LockedImage | None, found: LockedImage | RegistryClientError | None
) -> PinResult:
    reference, old = str(request.images[name]), own.digest if own else None
    if isinstance(found, RegistryClientError) or found is None:
        return PinResult(name=name, reference=reference, old=old, new=None, outcome=PinOutcome.FAILED, error=found)
    reason = request.frozen.get(name, "")
    if reason and _is_for(request, name, own):
        outcome = PinOutcome.SKIPPED
    elif own is None:
        outcome = PinOutcome.ADDED
    else:
        outcome = PinOutcome.UNCHANGED if own == found else PinOutcome.UPDATED
    return PinResult(name=name, reference=reference, old=old, new=found.digest, outcome=outcome, reason=reason)


def _removed(name: str, pin: LockedImage) -> PinResult:
    return PinResult(name=name, reference=pin.reference, old=pin.digest, new=None, outcome=PinOutcome.REMOVED)


def _is_index(pin: LockedImage) -> bool:
    return Descriptor(media_type=pin.media_type, digest=pin.digest, size=pin.size).is_index


def _platform(text: str) -> Platform | None:
    try:
        return parse_platform(text)
    except UsageError:
        # an index may say what it likes, and nobody asks for that
        return None


def _listed(platforms: Sequence[Platform]) -> str:
    return ", ".join(map(str, platforms))


def _frozen(reason: str | None) -> str:
    return f'frozen ("{reason}")' if reason else "not frozen"
