"""Rollback: puts the tags of a promotion back where its receipt says that they were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from registry_client.errors import MovedTagError, RegistryClientError, RegistryError, TagDeletionError
from registry_client.operations.selection import digest_if_there

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_client.operations.stores import AnyStore
    from registry_client.receipt import Receipt, ReceiptEdge

_CANNOT_DELETE = frozenset({400, 404, 405, 501})


class Outcome(Enum):
    """What became of a tag."""

    PENDING = "not done"
    UNCHANGED = "unchanged"
    RESTORED = "restored"
    REMOVED = "removed"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class RollbackResult:
    """A tag, and how far it has come back.

    Attributes:
        edge: What the promotion did.
        outcome: How far.
        now: The digest that the tag has before it is put back; None if it is not there.
        error: Why that failed.
    """

    edge: ReceiptEdge
    outcome: Outcome = Outcome.PENDING
    now: str | None = None
    error: RegistryClientError | None = None

    def failed(self, error: RegistryClientError) -> RollbackResult:
        """The same tag, failed."""
        return replace(self, outcome=Outcome.FAILED, error=error)


def plan_rollback(receipt: Receipt, store: AnyStore, *, force: bool) -> list[RollbackResult]:
    """Look which tags are to be put back; write nothing.

    Args:
        receipt: What the promotion did.
        store: Where the images are.
        force: Whether to put those back too that somebody has moved since.

    Returns:
        One result for each tag of the promotion, in order: pending, unchanged or failed.
    """
    looks = store.each(lambda edge: digest_if_there(store, edge.destination), receipt.edges)
    return [
        _looked_at(edge, look, may_be_set=receipt.may_have_set(edge), force=force)
        for edge, look in zip(receipt.edges, looks, strict=True)
    ]


def roll_back(results: Sequence[RollbackResult], store: AnyStore) -> list[RollbackResult]:
    """Put back the tags that are pending.

    Each manifest is got once, and before anything is written: registries may answer badly while they write it.

    Args:
        results: What ``plan_rollback`` found.
        store: Where the images are.

    Returns:
        One result for each tag, in order: restored, removed, unchanged or failed.
    """
    pending = [result.edge for result in results if result.outcome is Outcome.PENDING]
    places = list(dict.fromkeys(edge.destination.pinned(edge.old) for edge in pending if edge.old))
    images = dict(zip(places, store.each(store.get_image, places), strict=True))

    def restore(result: RollbackResult) -> RollbackResult:
        if result.outcome is not Outcome.PENDING:
            return result
        old = result.edge.old
        if old is None:
            return _take_away(result, store)
        image = images[result.edge.destination.pinned(old)]
        if isinstance(image, RegistryClientError):
            raise image
        store.put_image(result.edge.destination, image)
        return replace(result, outcome=Outcome.RESTORED)

    return [
        result.failed(restored) if isinstance(restored, RegistryClientError) else restored
        for result, restored in zip(results, store.each(restore, results), strict=True)
    ]


def _looked_at(
    edge: ReceiptEdge, look: str | RegistryClientError | None, *, may_be_set: bool, force: bool
) -> RollbackResult:
    result = RollbackResult(edge=edge)
    if isinstance(look, RegistryClientError):
        return result.failed(look)
    result = replace(result, now=look)
    if not may_be_set or look == edge.old or (edge.result == "failed" and look != edge.new):
        return replace(result, outcome=Outcome.UNCHANGED)
    if look != edge.new and not force:
        message = (
            f"somebody has moved it since: it was set to {edge.new}, and is {look or 'not there'} now; "
            "to put it back all the same, add --force"
        )
        return result.failed(MovedTagError(message))
    return result


def _take_away(result: RollbackResult, store: AnyStore) -> RollbackResult:
    destination = result.edge.destination
    try:
        store.of(destination).delete_tag(destination)
    except RegistryError as error:
        if error.status_code not in _CANNOT_DELETE:
            raise
        message = f"the tag was not there before, and the registry does not delete tags: {error}; delete it by hand"
        raise TagDeletionError(message) from error
    return replace(result, outcome=Outcome.REMOVED)
