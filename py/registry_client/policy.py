"""The promotion policy, version 1: where images may go, which tags may move, and what an image must have. Defined here.

All patterns are those of a shell: ``*`` is any text, slashes included, ``?`` a character, ``[ab]`` a choice.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from registry_client.documents import Fields, load_json, read_text
from registry_client.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from registry_client.reference import ImageReference

VERSION = 1
SIGNATURE = "signature"
"""What stands for any signature in a list of what an image must have; all else is a type of attestation."""


class Overwrite(Enum):
    """What may become of a tag that is there already."""

    MOVING = "moving"
    """It may be moved to another image."""
    IMMUTABLE = "immutable"
    """It stays on the image that it is on."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """What promotions may do; without an instance's own values, everything.

    Attributes:
        registries: Patterns of the registries that images may go to; all if empty.
        repositories: Patterns of ``registry/repository`` that they may go to; all if empty.
        sources: Patterns of ``registry/repository`` that they may come from; all if empty.
        moving: Patterns of tags that may move.
        immutable: Patterns of tags that must not.
        default: What holds for all other tags; None for ``immutable`` where it is listed what moves, else ``moving``.
        requires: What each image must have: ``signature``, or a type of attestation.
    """

    registries: Sequence[str] = ()
    repositories: Sequence[str] = ()
    sources: Sequence[str] = ()
    moving: Sequence[str] = ()
    immutable: Sequence[str] = ()
    default: Overwrite | None = None
    requires: Sequence[str] = ()

    def overwrite_of(self, tag: str, stated: Overwrite | None) -> Overwrite:
        """Find what holds for a tag.

        Args:
            tag: The tag.
            stated: What a target says of its tags; None if nothing.

        Returns:
            What holds.

        Raises:
            PolicyError: The tag is under both lists, or the target lets move what the policy does not.
        """
        moves = _first_match(tag, self.moving)
        stays = _first_match(tag, self.immutable)
        if moves and stays:
            message = f'the tag "{tag}" is both moving ("{moves}") and immutable ("{stays}") in the policy'
            raise PolicyError(message)
        if stays and stated is Overwrite.MOVING:
            message = f'the tag "{tag}" is immutable in the policy ("{stays}"), so overwrite cannot be "moving"'
            raise PolicyError(message)
        if stated is not None:
            return stated
        if moves or stays:
            return Overwrite.MOVING if moves else Overwrite.IMMUTABLE
        return self.default or (Overwrite.IMMUTABLE if self.moving else Overwrite.MOVING)

    def check(self, source: ImageReference, destination: ImageReference) -> None:
        """Refuse a way that images must not go.

        Args:
            source: Where it comes from.
            destination: Where it is to go.

        Raises:
            PolicyError: One of the two is not on a list.
        """
        for text, field, patterns in (
            (destination.registry, "registries", self.registries),
            (destination.name, "repositories", self.repositories),
            (source.name, "sources", self.sources),
        ):
            if patterns and not _first_match(text, patterns):
                message = f'"{text}" is not in {field} of the policy, which has: {", ".join(patterns)}'
                raise PolicyError(message)

    def to_json(self) -> dict[str, Any]:
        """The policy as it is in a file, without what is empty."""
        overwrite: dict[str, Any] = {"immutable": list(self.immutable), "moving": list(self.moving)}
        if self.default is not None:
            overwrite["default"] = self.default.value
        lists = {name: list(getattr(self, name)) for name in ("registries", "repositories", "requires", "sources")}
        document: dict[str, Any] = {name: values for name, values in lists.items() if values}
        overwrite = {name: value for name, value in overwrite.items() if value}
        return document | {"policyVersion": VERSION} | ({"overwrite": overwrite} if overwrite else {})


def parse_policy(document: Fields) -> Policy:
    """Read a policy.

    Args:
        document: The JSON object.

    Returns:
        The policy.

    Raises:
        DocumentError: It breaks the schema; the message starts with the file and the field.
    """
    version = document.take("policyVersion", int)
    if version != VERSION:
        document.fail("policyVersion", f"{version} is not a version that this release knows ({VERSION})")
    lists = {
        name: document.take_strings(name, default=[]) for name in ("registries", "repositories", "requires", "sources")
    }
    overwrite = document.take_object("overwrite")
    policy = Policy(
        **lists,
        moving=overwrite.take_strings("moving", default=[]),
        immutable=overwrite.take_strings("immutable", default=[]),
        default=parse_overwrite(overwrite.take("default", str, parse_overwrite, default="")),
    )
    overwrite.nothing_else()
    document.nothing_else()
    return policy


def read_policy(path: Path) -> Policy:
    """Read a policy from disk; an empty file is the policy that allows everything.

    Args:
        path: The JSON file.

    Returns:
        The policy.

    Raises:
        DocumentError: It breaks the schema; the message starts with the file and the field.
    """
    text = read_text(path)
    return parse_policy(Fields(load_json(text, path.name), path.name)) if text.strip() else Policy()


def parse_overwrite(text: str) -> Overwrite | None:
    """Read what may become of a tag.

    Args:
        text: ``moving`` or ``immutable``; empty for None.

    Returns:
        What it means.

    Raises:
        UsageError: It is neither.
    """
    try:
        return Overwrite(text) if text else None
    except ValueError:
        message = f'"{text}" is neither "moving" nor "immutable"'
        raise UsageError(message) from None


def _first_match(text: str, patterns: Sequence[str]) -> str | None:
    return next((pattern for pattern in patterns if fnmatchcase(text, pattern)), None)
