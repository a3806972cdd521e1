"""Promotion: make a plan, look whether it can be carried out, and carry it out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from registry_client.errors import RegistryClientError
from registry_client.operations.selection import digest_if_there
from registry_client.plan import Edge, Plan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_client.operations.stores import AnyStore
    from registry_client.reference import ImageReference
    from registry_client.request import RetagRequest


class Outcome(Enum):
    """What became of an edge."""

    PENDING = "not done"
    UNCHANGED = "unchanged"
    TAGGED = "tagged"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeResult:
    """An edge, and how far it has come.

    Attributes:
        edge: The edge.
        outcome: How far.
        old: The digest that the tag had before; None if it was not there.
        error: Why the edge failed.
    """

    edge: Edge
    outcome: Outcome = Outcome.PENDING
    old: str | None = None
    error: RegistryClientError | None = None

    def failed(self, error: RegistryClientError) -> EdgeResult:
        """The same edge, failed."""
        return replace(self, outcome=Outcome.FAILED, error=error)


def make_plan(request: RetagRequest, source: ImageReference) -> Plan:
    """Plan to give an image its tags.

    Args:
        request: What is declared.
        source: The image, by digest.

    Returns:
        The plan.
    """
    return Plan(
        edges=[Edge(source=source, destination=source.tagged(tag), target=request.target) for tag in request.tags]
    )


def preflight(plan: Plan, store: AnyStore) -> list[EdgeResult]:
    """Look whether a plan can be carried out, and what it would change; write nothing.

    One HEAD for each destination, and one for each source that some destination does not have yet.

    Args:
        plan: The plan.
        store: Where the images are.

    Returns:
        One result for each edge, in order: pending, unchanged or failed.
    """
    looks = store.each(lambda edge: digest_if_there(store, edge.destination), plan.edges)
    results = [_looked_at(edge, look) for edge, look in zip(plan.edges, looks, strict=True)]
    sources = _sources(results)
    found = dict(zip(sources, store.each(store.resolve, sources), strict=True))

    def with_source(result: EdgeResult) -> EdgeResult:
        error = found.get(result.edge.source) if result.outcome is Outcome.PENDING else None
        return result.failed(error) if isinstance(error, RegistryClientError) else result

    return [with_source(result) for result in results]


def carry_out(results: Sequence[EdgeResult], store: AnyStore) -> list[EdgeResult]:
    """Set the tags of all edges that are pending.

    Each manifest is got once, however many tags it gets.

    Args:
        results: What ``preflight`` found.
        store: Where the images are.

    Returns:
        One result for each edge, in order: tagged, unchanged or failed.
    """
    sources = _sources(results)
    images = dict(zip(sources, store.each(store.get_image, sources), strict=True))

    def write(result: EdgeResult) -> EdgeResult:
        if result.outcome is not Outcome.PENDING:
            return result
        image = images[result.edge.source]
        if isinstance(image, RegistryClientError):
            return result.failed(image)
        store.put_image(result.edge.destination, image)
        return replace(result, outcome=Outcome.TAGGED)

    return [
        result.failed(written) if isinstance(written, RegistryClientError) else written
        for result, written in zip(results, store.each(write, results), strict=True)
    ]


def _looked_at(edge: Edge, look: str | RegistryClientError | None) -> EdgeResult:
    if isinstance(look, RegistryClientError):
        return EdgeResult(edge=edge).failed(look)
    outcome = Outcome.UNCHANGED if look == edge.source.digest else Outcome.PENDING
    return EdgeResult(edge=edge, outcome=outcome, old=look)


def _sources(results: Sequence[EdgeResult]) -> list[ImageReference]:
    """The sources of all pending edges, each once."""
    return list(dict.fromkeys(result.edge.source for result in results if result.outcome is Outcome.PENDING))
