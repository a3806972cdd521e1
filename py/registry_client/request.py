"""What the Bazel rules ask for: the JSON that ``image_lock`` writes. Defined here only."""

from __future__ import annotations

import functools
import re
import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from registry_client.documents import read_document
from registry_client.errors import UsageError
from registry_client.platforms import parse_platform
from registry_client.reference import ImageReference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from pathlib import Path

    from registry_client.descriptor import Platform

_IMAGE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
_RESERVED_NAMES = frozenset({"check", "update"})


@dataclass(frozen=True, kw_only=True, slots=True)
class LockRequest:
    """An ``image_lock`` target.

    Attributes:
        target: Its label.
        images: Short name to what was declared, in the order of the names.
        lockfile: The lock's path from the workspace's root; None if the target has none.
        platforms: What every image must be there for.
        frozen: Short name to the reason why an update leaves the image alone.
        require_lock: Whether it is an error to have no lock.
        repository: The canonical name of the Bazel repository that the target is in; empty for the main one.
    """

    target: str
    images: Mapping[str, ImageReference]
    lockfile: str | None
    platforms: Sequence[Platform] = ()
    frozen: Mapping[str, str] = field(default_factory=dict)
    require_lock: bool = False
    repository: str = ""

    def its_lockfile(self) -> str:
        """The lock's path from the workspace's root.

        Raises:
            UsageError: The target has none, or it is in another workspace than this one.
        """
        if self.repository:
            message = f"{self.target}: {self.remedy()}"
            raise UsageError(message)
        if self.lockfile is None:
            message = (
                f"{self.target} has no lock file, as its lockfile attribute is not set; "
                'add lockfile = "images.lock.json", say, and run again'
            )
            raise UsageError(message)
        return self.lockfile

    def remedy(self, names: Collection[str] = (), purpose: str = "To update it") -> str:
        """Say what rewrites the lock.

        Args:
            names: The images that it is to look at; all if empty.
            purpose: What that is good for.

        Returns:
            The command, as people type it; for a lock of another module, where that is to be done.
        """
        if self.repository:
            return "the lock file is another module's; update it in the workspace of that module"
        command = f"bazel run {shlex.quote(f'{self.target}.update')}"
        if names and set(self.images) - set(names):
            command = f"{command} -- {shlex.join(sorted(names))}"
        return f"{purpose}, run: {command}"


def read_lock_request(path: Path) -> LockRequest:
    """Read what an ``image_lock`` declares.

    Args:
        path: The JSON file that the rule wrote.

    Returns:
        The request, its references parsed.

    Raises:
        UsageError: A name is no target name, or a reference is none; one line for each.
    """
    fields = read_document(path)
    target = fields.take("target", str)
    images = fields.take("images", dict)
    lockfile = fields.take("lockfile", str, default="")
    platforms = fields.take_strings("platforms", default=[])
    frozen = fields.take("frozen", dict, default={})
    require_lock = fields.take("requireLock", bool, default=False)
    repository = fields.take("repository", str, default="")
    # Not read by anyone: another epoch makes another request, and that another action.
    fields.take("resolveEpoch", str, default="")
    fields.nothing_else()
    problems = _problems(
        target,
        "images",
        [(f'image "{name}"', functools.partial(_check_image, name, text)) for name, text in sorted(images.items())],
    )
    problems += _problems(target, "platforms", [("", functools.partial(parse_platform, text)) for text in platforms])
    problems += _problems(
        target,
        "frozen",
        [(f'image "{name}"', functools.partial(_check_frozen, name, why, images)) for name, why in frozen.items()],
    )
    if problems:
        raise UsageError("\n".join(problems))
    return LockRequest(
        target=target,
        images={name: parse_reference(text) for name, text in sorted(images.items())},
        lockfile=lockfile or None,
        platforms=[parse_platform(text) for text in platforms],
        frozen=frozen,
        require_lock=require_lock,
        repository=repository,
    )


def _problems(target: str, attribute: str, checks: Sequence[tuple[str, Callable[[], object]]]) -> list[str]:
    """Run all checks, and say which target and attribute each complaint is about."""
    problems = []
    for subject, check in checks:
        try:
            check()
        except UsageError as error:
            where = f"{target}: {subject}: " if subject else f"{target}: "
            problems.append(f"{where}{error}; mend it in {attribute}")
    return problems


def _check_image(name: str, text: object) -> None:
    if not _IMAGE_NAME.fullmatch(name):
        message = 'not a target name: use letters, digits, "_", "-", "+" and "."'
        raise UsageError(message)
    if name in _RESERVED_NAMES:
        message = f'the name is taken by the target that ends in ".{name}"; choose another'
        raise UsageError(message)
    parse_reference(str(text))


def _check_frozen(name: str, why: object, images: Collection[str]) -> None:
    if name not in images:
        message = f"it is not declared; choose from: {', '.join(sorted(images))}"
        raise UsageError(message)
    if not str(why).strip():
        message = "no reason is given why it must not move"
        raise UsageError(message)
