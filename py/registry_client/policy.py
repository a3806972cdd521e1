"""The promotion policy, version 1: where images may go, which tags may move, and what an image must have. Defined here.

All patterns are those of a shell: ``*`` is any text, slashes included, ``?`` a character, ``[ab]`` a choice. The path
of a layout outside of the workspace, ``oci-layout:../DIR``, is meant only by patterns that have the ``..`` themselves.

Which of a policy and the ``overwrite`` of a target holds: the target may always say ``immutable``. It may not say
``moving`` where the policy holds the tag immutable, by a pattern or by a ``default`` that is written down: that is an
error. The default that is implied by a list of what moves gives way to the target.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

from registry_client.documents import Fields, load_json, read_text
from registry_client.errors import PolicyError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
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

    def permit(self, source: ImageReference, destination: ImageReference, stated: Overwrite | None) -> Overwrite:
        """Let an image go to a tag, and find what may become of that tag.

        Args:
            source: Where the image comes from.
            destination: Where it is to go, by tag.
            stated: What a target says of its tags; None if nothing.

        Returns:
            What holds for the tag: what the patterns say, else what is stated, else the default. A target may be
            stricter than the policy, and never less strict than its patterns and its default, if that is written down.

        Raises:
            PolicyError: It must not go there; one line for each reason.
        """
        problems = [*self._problems_of_way(source, destination), *self._problems_of_tag(str(destination.tag), stated)]
        if problems:
            raise PolicyError("\n".join(problems))
        if stated is not None:
            return stated
        if _first_match(str(destination.tag), self.moving):
            return Overwrite.MOVING
        if _first_match(str(destination.tag), self.immutable):
            return Overwrite.IMMUTABLE
        return self.default or (Overwrite.IMMUTABLE if self.moving else Overwrite.MOVING)

    def _problems_of_tag(self, tag: str, stated: Overwrite | None) -> Iterator[str]:
        moves = _first_match(tag, self.moving)
        stays = _first_match(tag, self.immutable)
        if moves and stays:
            yield f'the tag "{tag}" is both moving ("{moves}") and immutable ("{stays}") in the policy'
        elif stays and stated is Overwrite.MOVING:
            yield f'the tag "{tag}" is immutable in the policy ("{stays}"), so overwrite cannot be "moving"'
        elif not moves and self.default is Overwrite.IMMUTABLE and stated is Overwrite.MOVING:
            yield (
                f'the tag "{tag}" is immutable by the default of the policy, so overwrite cannot be "moving"; '
                "take that away, or add the tag to moving in the policy"
            )

    def _problems_of_way(self, source: ImageReference, destination: ImageReference) -> Iterator[str]:
        for text, place, field, patterns in (
            (destination.registry, destination, "registries", self.registries),
            (destination.name, destination, "repositories", self.repositories),
            (source.name, source, "sources", self.sources),
        ):
            leads_out = text == place.name and ".." in place.repository.split("/")
            # what is outside of the workspace is never meant by a pattern that does not say so
            fitting = [pattern for pattern in patterns if ".." in pattern] if leads_out else patterns
            if patterns and not _first_match(text, fitting):
                hint = '; a path with ".." has to have it in the pattern, too' if leads_out else ""
                yield f'"{text}" is not in {field} of the policy, which has: {", ".join(patterns)}{hint}'

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
