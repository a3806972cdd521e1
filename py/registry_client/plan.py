"""The promotion plan, version 1: what is to get which tag. Defined here only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from registry_client.documents import Fields, canonical_json, load_json
from registry_client.errors import UsageError
from registry_client.reference import ImageReference, parse_reference

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VERSION = 1


@dataclass(frozen=True, kw_only=True, slots=True)
class Edge:
    """One tag to set.

    Attributes:
        source: The image, by digest.
        destination: Where it is to be, by tag.
        target: The label of the target that asks for it.
    """

    source: ImageReference
    destination: ImageReference
    target: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """All edges of a promotion, in the order in which they are carried out."""

    edges: Sequence[Edge]

    def to_text(self) -> str:
        """The canonical text."""
        edges = [
            {"destination": str(edge.destination), "source": str(edge.source), "target": edge.target}
            for edge in self.edges
        ]
        return canonical_json({"edges": edges, "planVersion": VERSION})


def read_plan(path: Path) -> Plan:
    """Read a plan.

    Args:
        path: The JSON file.

    Returns:
        The plan.

    Raises:
        DocumentError: It breaks the schema; the message starts with the file and the field.
    """
    document = Fields(load_json(path.read_text(encoding="utf-8"), path.name), path.name)
    version = document.take("planVersion", int)
    if version != VERSION:
        document.fail("planVersion", f"{version} is not a version that this release knows ({VERSION})")
    edges = [_parse_edge(fields) for fields in document.take_objects("edges")]
    document.nothing_else()
    return Plan(edges=edges)


def _parse_edge(fields: Fields) -> Edge:
    edge = Edge(
        source=parse_reference(fields.take("source", str, _check_source)),
        destination=parse_reference(fields.take("destination", str, _check_destination)),
        target=fields.take("target", str),
    )
    fields.nothing_else()
    return edge


def _check_source(text: str) -> None:
    if parse_reference(text).digest is None:
        message = f'"{text}" has no digest; a plan names its sources by digest'
        raise UsageError(message)


def _check_destination(text: str) -> None:
    reference = parse_reference(text)
    if reference.tag is None or reference.digest is not None:
        message = f'"{text}" must have a tag, and no digest'
        raise UsageError(message)
