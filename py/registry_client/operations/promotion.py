"""Promotion: look whether a plan can be carried out, bring what is missing, set the tags."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from registry_client.errors import (
    ImmutableTagError,
    RegistryClientError,
    RegistryError,
    RegistryUnreachableError,
    error_code,
)
from registry_client.operations.content import Cargo, Surveyor
from registry_client.operations.evidence import check_evidence
from registry_client.operations.selection import digest_if_seen, digest_if_there
from registry_client.operations.shipping import Shipment
from registry_client.policy import Overwrite
from registry_client.receipt import ReceiptEdge

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from registry_client.manifest import Image
    from registry_client.operations.shipping import Delivery
    from registry_client.operations.stores import AnyStore
    from registry_client.plan import Edge, Plan
    from registry_client.reference import ImageReference

_K = TypeVar("_K")

_SERVER_ERROR = 500
_SAYS_IMMUTABLE = re.compile("immutable|already exists", re.IGNORECASE)


class Outcome(Enum):
    """What became of an edge."""

    PENDING = "not done"
    UNCHANGED = "unchanged"
    TAGGED = "tagged"
    COPIED = "copied"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class EdgeResult:
    """An edge, and how far it has come.

    Attributes:
        edge: The edge.
        outcome: How far.
        old: The digest that the tag had before; None if it was not there.
        image: The manifest to put under the tag; None if it need not be put.
        cargo: What has to be there before; None if the image is in its own repository.
        moved: Bytes of blobs that went through this machine.
        mounted: Bytes of blobs that the store took over by itself.
        error: Why the edge failed.
        is_tried: Whether the registry was asked to set the tag, and may have done so even if the edge failed.
    """

    edge: Edge
    outcome: Outcome = Outcome.PENDING
    old: str | None = None
    image: Image | None = None
    cargo: Cargo | None = None
    moved: int = 0
    mounted: int = 0
    error: RegistryClientError | None = None
    is_tried: bool = False

    @property
    def is_pending(self) -> bool:
        """Whether there is something to do yet."""
        return self.outcome is Outcome.PENDING

    def failed(self, error: RegistryClientError) -> EdgeResult:
        """The same edge, failed."""
        return replace(self, outcome=Outcome.FAILED, error=error)

    def for_receipt(self) -> ReceiptEdge:
        """The edge as it is in a receipt."""
        return ReceiptEdge(
            source=self.edge.source,
            destination=self.edge.destination,
            target=self.edge.target,
            old=self.old,
            new=self.edge.digest,
            result=self.outcome.value,
            bytes_moved=self.moved,
            bytes_mounted=self.mounted,
            error=_described(self.error) if self.error else None,
            is_tried=self.is_tried,
        )


def _described(error: RegistryClientError) -> dict[str, str]:
    """An error for a file, which cannot hold the half characters that a registry may have said."""
    described = {"code": error_code(error), "message": str(error)}
    return {name: text.encode(errors="backslashreplace").decode() for name, text in described.items()}


def preflight(plan: Plan, store: AnyStore, *, referrers: bool = True) -> list[EdgeResult]:
    """Look whether a plan can be carried out, and what it would change; write nothing.

    Each tag is looked at by one HEAD; only what is not as it should be is looked into any further.

    Args:
        plan: The plan.
        store: Where the images are.
        referrers: Whether what refers to an image goes along to another repository.

    Returns:
        One result for each edge, in order: pending, unchanged or failed.
    """
    looks = store.each(lambda edge: _look(edge, store), plan.edges)
    results = [_looked_at(EdgeResult(edge=edge), look) for edge, look in zip(plan.edges, looks, strict=True)]
    results = _failing(results, lambda edge: edge.destination.name, _pushes(results, store))
    needs = {(edge.source, tuple(edge.requires)) for edge in _pending(results) if edge.requires}
    evidence = _answers(store, lambda need: check_evidence(store, *need), sorted(needs, key=str))
    results = _failing(results, lambda edge: (edge.source, tuple(edge.requires)), evidence)
    return _with_images(results, store, Surveyor(store, referrers=referrers))


def ship(results: Sequence[EdgeResult], store: AnyStore) -> list[EdgeResult]:
    """Bring everything that pending edges need, except for their tags.

    Args:
        results: What ``preflight`` found.
        store: Where the images are.

    Returns:
        One result for each edge, in order; failed where something could not be brought.
    """
    cargos = {id(result.cargo): result.cargo for result in results if result.is_pending and result.cargo}
    deliveries = dict(zip(cargos, Shipment(list(cargos.values()), store).ship(), strict=True))
    return [
        _shipped(result, deliveries[id(result.cargo)]) if result.is_pending and result.cargo else result
        for result in results
    ]


def _shipped(result: EdgeResult, delivery: Delivery) -> EdgeResult:
    shipped = replace(result, moved=delivery.moved, mounted=delivery.mounted)
    # the bytes are the first edge's: the others of the same cargo cost nothing more
    delivery.moved = delivery.mounted = 0
    return shipped.failed(delivery.error) if delivery.error else shipped


def look_again(results: Sequence[EdgeResult], store: AnyStore) -> list[EdgeResult]:
    """Look once more at the tags of what had to be brought, which takes its time: somebody may have moved them.

    Args:
        results: What ``ship`` returned.
        store: Where the images are.

    Returns:
        One result for each edge, in order: pending, with the digest that the tag has now; unchanged or failed.
    """
    waited = [result for result in results if result.is_pending and result.cargo]
    looks = store.each(lambda result: _look(result.edge, store), waited, unit="")
    seen = {id(result): look for result, look in zip(waited, looks, strict=True)}
    return [_looked_at(result, seen[id(result)]) if id(result) in seen else result for result in results]


def set_tags(results: Sequence[EdgeResult], store: AnyStore) -> list[EdgeResult]:
    """Put the manifests of all pending edges under their tags.

    Args:
        results: What ``ship`` returned.
        store: Where the images are.

    Returns:
        One result for each edge, in order: tagged, copied, unchanged or failed.
    """

    def write(result: EdgeResult) -> EdgeResult:
        if not result.is_pending or result.image is None:
            return result
        return _put(result, result.image, store)

    return [
        replace(result.failed(written), is_tried=True) if isinstance(written, RegistryClientError) else written
        for result, written in zip(results, store.each(write, results), strict=True)
    ]


def _look(edge: Edge, store: AnyStore) -> str | None:
    """Look what the tag is on; a tag that must not move has to be seen."""
    look = digest_if_there if edge.overwrite is Overwrite.IMMUTABLE else digest_if_seen
    return look(store, edge.destination)


def _looked_at(result: EdgeResult, look: str | RegistryClientError | None) -> EdgeResult:
    if isinstance(look, RegistryClientError):
        return result.failed(look)
    edge, result = result.edge, replace(result, old=look)
    if look == edge.digest:
        return replace(result, outcome=Outcome.UNCHANGED)
    if look is not None and edge.overwrite is Overwrite.IMMUTABLE:
        message = (
            f"it is on {look} and immutable, so it cannot be on {edge.digest}; choose another tag, "
            "or let this one move by overwrite or the policy"
        )
        return result.failed(ImmutableTagError(message))
    return result


def _pushes(results: Iterable[EdgeResult], store: AnyStore) -> dict[str, RegistryClientError]:
    """The repositories that may not be written to.

    To find that out may be worth a request where whole images are to be brought, and not where only tags are to be set.
    """
    edges = sorted(_pending(results), key=lambda edge: edge.crosses)
    by_name = {edge.destination.name: edge for edge in edges}

    def check(name: str) -> None:
        edge = by_name[name]
        store.of(edge.destination).check_push(edge.destination, ask=edge.crosses)

    return _answers(store, check, list(by_name))


def _with_images(results: Sequence[EdgeResult], store: AnyStore, surveyor: Surveyor) -> list[EdgeResult]:
    """Get the manifest of each source once, and find out once what it takes along to each repository."""
    sources = {edge.source for edge in _pending(results) if not edge.crosses}
    images = dict(zip(sources, store.each(store.get_image, list(sources)), strict=True))
    ways = {_way(edge): edge for edge in _pending(results) if edge.crosses}
    surveyed = store.each(lambda edge: surveyor.survey(edge.source, edge.destination), list(ways.values()))
    cargos = dict(zip(ways, surveyed, strict=True))

    def with_image(result: EdgeResult) -> EdgeResult:
        if not result.is_pending:
            return result
        if not result.edge.crosses:
            image = images[result.edge.source]
            return result.failed(image) if isinstance(image, RegistryClientError) else replace(result, image=image)
        cargo = cargos[_way(result.edge)]
        if isinstance(cargo, RegistryClientError):
            return result.failed(cargo)
        return replace(result, cargo=cargo, image=cargo.root.image)

    return [with_image(result) for result in results]


def _put(result: EdgeResult, image: Image, store: AnyStore) -> EdgeResult:
    edge = result.edge
    done = replace(result, outcome=Outcome.COPIED if edge.crosses else Outcome.TAGGED)
    try:
        store.put_image(edge.destination, image)
    except RegistryUnreachableError:
        # perhaps only the answer was lost
        if digest_if_seen(store, edge.destination) != edge.digest:
            raise
    except RegistryError as error:
        now = digest_if_seen(store, edge.destination)
        if now == edge.digest:
            # who stumbles over it may have set it before; who refuses it has not: somebody else has
            return done if error.status_code >= _SERVER_ERROR else replace(result, outcome=Outcome.UNCHANGED)
        if now is not None and _SAYS_IMMUTABLE.search(str(error)):
            message = f"it is on {now}, and the registry holds it immutable: {error}"
            raise ImmutableTagError(message) from error
        raise
    return done


def _pending(results: Iterable[EdgeResult]) -> list[Edge]:
    return [result.edge for result in results if result.is_pending]


def _way(edge: Edge) -> tuple[ImageReference, str]:
    return edge.source, edge.destination.name


def _answers(store: AnyStore, check: Callable[[_K], object], keys: Sequence[_K]) -> dict[_K, RegistryClientError]:
    """Run a check for each key; gives the errors of those that failed."""
    answers = zip(keys, store.each(check, keys, unit=""), strict=True)
    return {key: answer for key, answer in answers if isinstance(answer, RegistryClientError)}


def _failing(
    results: Sequence[EdgeResult], key: Callable[[Edge], object], errors: Mapping[Any, RegistryClientError]
) -> list[EdgeResult]:
    """Let those pending edges fail whose key has an error."""
    return [
        result.failed(errors[key(result.edge)]) if result.is_pending and key(result.edge) in errors else result
        for result in results
    ]
