"""The promotion plan, version 1: what is to get which tag, and under which conditions. Defined here only."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from registry_client.descriptor import digest_of
from registry_client.documents import Fields, canonical_json, read_document
from registry_client.errors import UsageError
from registry_client.policy import Overwrite, Policy, parse_overwrite, parse_policy
from registry_client.reference import ImageReference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

VERSION = 1
AD_HOC = ("repository", "tag")
"""What a plan may let people add on the command line."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """One tag to set.

    Attributes:
        source: The image, by digest.
        destination: Where it is to be: by tag, or by the same digest if it is to have no tag.
        target: The label of the target that asks for it.
        overwrite: What may become of the tag if it is on another image.
        requires: What the image must have, see ``Policy``.
    """

    source: ImageReference
    destination: ImageReference
    target: str
    overwrite: Overwrite = Overwrite.MOVING
    requires: Sequence[str] = ()

    @property
    def digest(self) -> str:
        """The digest of the image."""
        return str(self.source.digest)

    @property
    def crosses(self) -> bool:
        """Whether the image goes to another repository than it is in."""
        return self.source.name != self.destination.name

    def to_json(self) -> dict[str, Any]:
        """The edge as it is in a plan."""
        edge: dict[str, Any] = {
            "destination": str(self.destination),
            "digest": self.digest,
            "overwrite": self.overwrite.value,
            "source": str(self.source),
            "target": self.target,
        }
        return edge | ({"requires": list(self.requires)} if self.requires else {})


@dataclass(frozen=True, kw_only=True, slots=True)
class AdHoc:
    """What people may add to a plan on the command line.

    Attributes:
        allowed: ``tag``, ``repository`` or both.
        policy: What holds for what they add.
        overwrite: What the target says of its tags.
    """

    allowed: Sequence[str]
    policy: Policy
    overwrite: Overwrite | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All edges of a promotion, in the order in which they are carried out.

    Attributes:
        edges: The edges; each destination is there once.
        ad_hoc: What may be added; None for nothing.
    """

    edges: Sequence[Edge]
    ad_hoc: AdHoc | None = None

    def to_text(self) -> str:
        """The canonical text."""
        document: dict[str, Any] = {"edges": [edge.to_json() for edge in self.edges], "planVersion": VERSION}
        if self.ad_hoc is not None:
            document["adHoc"] = {"allowed": list(self.ad_hoc.allowed), "policy": self.ad_hoc.policy.to_json()}
            if self.ad_hoc.overwrite is not None:
                document["adHoc"]["overwrite"] = self.ad_hoc.overwrite.value
        return canonical_json(document)

    @property
    def digest(self) -> str:
        """The digest of the canonical text."""
        return digest_of(self.to_text().encode())


def merge_edges(edges: Iterable[Edge]) -> list[Edge]:
    """Put the edges of several targets together.

    Args:
        edges: The edges, in order.

    Returns:
        The edges, each destination once; where several targets ask for the same, what is stricter holds.

    Raises:
        UsageError: Two of them want one tag for different images; one line for each such tag.
    """
    merged: dict[ImageReference, Edge] = {}
    conflicts = []
    for edge in edges:
        other = merged.setdefault(edge.destination, edge)
        if other.digest != edge.digest:
            conflicts.append(
                f"{edge.destination} is to be {other.digest} by {other.target}, but {edge.digest} by {edge.target}; "
                "take the tag out of one of them"
            )
        elif other is not edge:
            immutable = Overwrite.IMMUTABLE in {other.overwrite, edge.overwrite}
            merged[edge.destination] = replace(
                other,
                overwrite=Overwrite.IMMUTABLE if immutable else Overwrite.MOVING,
                requires=tuple(dict.fromkeys([*other.requires, *edge.requires])),
            )
    if conflicts:
        raise UsageError("\n".join(conflicts))
    return list(merged.values())


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Args:
        path: The JSON file.

    Returns:
        The plan.

    Raises:
        DocumentError: It breaks the schema; the message starts with the file and the field.
        UsageError: It has one destination for several images.
    """
    document = read_document(path)
    version = document.take("planVersion", int)
    if version != VERSION:
        document.fail("planVersion", f"{version} is not a version that this release knows ({VERSION})")
    edges = [_parse_edge(fields) for fields in document.take_objects("edges")]
    ad_hoc = document.take_object("adHoc")
    plan = Plan(edges=merge_edges(edges), ad_hoc=_parse_ad_hoc(ad_hoc) if ad_hoc else None)
    document.nothing_else()
    return plan


def _parse_edge(fields: Fields) -> Edge:
    edge = Edge(
        source=parse_reference(fields.take("source", str, _check_source)),
        destination=parse_reference(fields.take("destination", str, _check_destination)),
        target=fields.take("target", str),
        overwrite=parse_overwrite(fields.take("overwrite", str, parse_overwrite)) or Overwrite.IMMUTABLE,
        requires=fields.take_strings("requires", default=[]),
    )
    if fields.take("digest", str) != edge.digest:
        fields.fail("digest", f"is not that of source, {edge.digest}")
    if edge.destination.digest not in (None, edge.digest):
        fields.fail("destination", "has another digest than source")
    fields.nothing_else()
    return edge


def _parse_ad_hoc(fields: Fields) -> AdHoc:
    ad_hoc = AdHoc(
        allowed=fields.take_strings("allowed"),
        policy=parse_policy(fields.take_object("policy")),
        overwrite=parse_overwrite(fields.take("overwrite", str, parse_overwrite, default="")),
    )
    fields.nothing_else()
    return ad_hoc


def _check_source(text: str) -> None:
    if parse_reference(text).digest is None:
        message = f'"{text}" has no digest; a plan names its sources by digest'
        raise UsageError(message)


def _check_destination(text: str) -> None:
    reference = parse_reference(text)
    if (reference.tag is None) == (reference.digest is None):
        message = f'"{text}" must have a tag or a digest, and not both'
        raise UsageError(message)
