"""Lock files as they are found: also those that break their schema, of which much may still be told."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from registry_client.errors import DocumentError
from registry_client.lockfile import Lockfile, parse_pins, read_lockfile

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from registry_client.lockfile import LockedImage
    from registry_client.request import LockRequest


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundLock:
    """A lock file as it was found.

    Attributes:
        lock: Its pins, or those that are sure if it breaks its schema; None if it is not there or nothing is sure.
        complaint: How it breaks its schema; empty if it does not.
        doubtful: The images of which a lock that breaks its schema says nothing clear.
        dead_end: Whether nobody can write it anew without moving what is frozen; the complaint says so, too.
    """

    lock: Lockfile | None = None
    complaint: str = ""
    doubtful: frozenset[str] = frozenset()
    dead_end: bool = False


def find_lock(path: Path, request: LockRequest) -> FoundLock:
    """Read a lock, and what can be told of it if it breaks its schema.

    Of a merge conflict, the pins are sure that are the same on both sides or on one side only. Where the sides differ,
    that one counts which froze the pin as it is declared.

    Args:
        path: Where it is, if it is there.
        request: What is declared.

    Returns:
        The lock.

    Raises:
        OSError: It is there, and cannot be read.
    """
    try:
        return FoundLock(lock=read_lockfile(path, request.lockfile))
    except FileNotFoundError:
        return FoundLock()
    except DocumentError as error:
        return _salvaged(path.read_text(encoding="utf-8", errors="replace"), request, str(error))


def _salvaged(text: str, request: LockRequest, complaint: str) -> FoundLock:
    try:
        sides = [parse_pins(side, str(request.lockfile)) for side in _sides(text)]
    except DocumentError:
        lost = [name for name in request.frozen if f'"{name}"' in text]
        return FoundLock(complaint=_with_way_out(complaint, lost, request), dead_end=bool(lost))
    sure: dict[str, LockedImage] = {}
    doubtful = set()
    for name in {name for side in sides for name in side}:
        found = [side[name] for side in sides if name in side]
        pin = _agreed([pin for pin in found if pin], request.frozen.get(name, ""))
        if pin is not None:
            sure[name] = pin
        if pin is None or any(each != pin for each in found):
            doubtful.add(name)
    lost = sorted(doubtful & request.frozen.keys() - sure.keys())
    return FoundLock(
        lock=Lockfile(images=dict(sorted(sure.items()))),
        complaint=_with_way_out(complaint, lost, request),
        doubtful=frozenset(doubtful),
        dead_end=bool(lost),
    )


def _agreed(pins: Sequence[LockedImage], frozen: str) -> LockedImage | None:
    """The pin that one side froze as it is declared, or that both agree upon but for the note of that."""
    for candidates in ([pin for pin in pins if pin.frozen == frozen], pins):
        images = [replace(pin, frozen="") for pin in candidates]
        if candidates and all(image == images[0] for image in images):
            return candidates[0]
    return None


def _with_way_out(complaint: str, lost: Collection[str], request: LockRequest) -> str:
    if not lost:
        return complaint
    names = ", ".join(f'"{name}"' for name in lost)
    return (
        f"{complaint}; what is frozen must not move, and the pin of {names} cannot be told; "
        f"restore {request.lockfile} from version control, or take {names} out of frozen"
    )


def _sides(text: str) -> Sequence[str]:
    """The two texts that a text with the marks of a merge conflict is made of; a text without them is one."""
    sides: tuple[list[str], list[str]] = ([], [])
    part, marked = "", False
    for line in text.split("\n"):
        mark = line[:7]
        if mark in {"<<<<<<<", "|||||||", "=======", ">>>>>>>"}:
            part, marked = "" if mark == ">>>>>>>" else mark[0], True
            continue
        if part in {"", "<"}:
            sides[0].append(line)
        if part in {"", "="}:
            sides[1].append(line)
    return ["\n".join(side) for side in sides] if marked else [text]
