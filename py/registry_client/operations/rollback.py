"""Rollback: puts the tags of a promotion back where its receipt says that they were."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from registry_client.errors import (
    LostImageError,
    MovedTagError,
    PolicyError,
    RegistryClientError,
    RegistryError,
    TagDeletionError,
    UsageError,
    is_not_found,
)
from registry_client.operations.selection import digest_if_there

if TYPE_CHECKING:
    from collections.abc import Sequence

    from registry_client.operations.stores import AnyStore
    from registry_client.plan import Plan
    from registry_client.receipt import Receipt, ReceiptEdge
    from registry_client.reference import ImageReference

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


def check_receipt(receipt: Receipt, plan: Plan, target: str) -> None:
    """Refuse the receipt of another promotion, by the repositories that it is about.

    The tags may be others than those of the plan, as these may have a stamp.

    Args:
        receipt: What a promotion did.
        plan: What the target promotes.
        target: The target, for the message.

    Raises:
        UsageError: Tags of the receipt are in repositories that the plan neither has nor lets anybody add.
    """
    own = {edge.destination.name for edge in plan.edges}
    others = [edge for edge in receipt.edges if edge.destination.name not in own and not _may_be_added(edge, plan)]
    if others:
        names = ", ".join(dict.fromkeys(edge.destination.name for edge in others))
        message = (
            f"the receipt is not one of {target}: it is about {names}, where that promotes nothing to; "
            f"it was made by {', '.join(dict.fromkeys(edge.target for edge in others))}"
        )
        raise UsageError(message)


def _may_be_added(edge: ReceiptEdge, plan: Plan) -> bool:
    if plan.ad_hoc is None or "repository" not in plan.ad_hoc.allowed:
        return False
    try:
        plan.ad_hoc.policy.permit(edge.source, edge.destination, None)
    except PolicyError:
        return False
    return True


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


def check_old_images(results: Sequence[RollbackResult], store: AnyStore) -> list[RollbackResult]:
    """Look whether the images are still there that tags are to be put back on; write nothing.

    Args:
        results: What ``plan_rollback`` found.
        store: Where the images are.

    Returns:
        One result for each tag, in order: pending, unchanged or failed.
    """
    places = _old_places(results)
    looks = dict(zip(places, store.each(lambda place: digest_if_there(store, place), places), strict=True))

    def looked_at(result: RollbackResult) -> RollbackResult:
        if result.outcome is not Outcome.PENDING or result.edge.old is None:
            return result
        place = result.edge.destination.pinned(result.edge.old)
        look = looks[place]
        if isinstance(look, RegistryClientError):
            return result.failed(look)
        return result if look else result.failed(_lost(place))

    return [looked_at(result) for result in results]


def roll_back(results: Sequence[RollbackResult], store: AnyStore) -> list[RollbackResult]:
    """Put back the tags that are pending.

    Each manifest is got once, and before anything is written: registries may answer badly while they write it.

    Args:
        results: What ``plan_rollback`` found.
        store: Where the images are.

    Returns:
        One result for each tag, in order: restored, removed, unchanged or failed.
    """
    places = _old_places(results)
    images = dict(zip(places, store.each(store.get_image, places), strict=True))

    def restore(result: RollbackResult) -> RollbackResult:
        if result.outcome is not Outcome.PENDING:
            return result
        old = result.edge.old
        if old is None:
            return _take_away(result, store)
        place = result.edge.destination.pinned(old)
        image = images[place]
        if is_not_found(image if isinstance(image, RegistryClientError) else None):
            raise _lost(place)
        if isinstance(image, RegistryClientError):
            raise image
        store.put_image(result.edge.destination, image)
        return replace(result, outcome=Outcome.RESTORED)

    return [
        result.failed(restored) if isinstance(restored, RegistryClientError) else restored
        for result, restored in zip(results, store.each(restore, results), strict=True)
    ]


def _old_places(results: Sequence[RollbackResult]) -> list[ImageReference]:
    """The images that tags are to be put back on, each once."""
    pending = [result.edge for result in results if result.outcome is Outcome.PENDING]
    return list(dict.fromkeys(edge.destination.pinned(edge.old) for edge in pending if edge.old))


def _lost(place: ImageReference) -> LostImageError:
    return LostImageError(
        f"the image that the tag was on is gone, so it cannot be put back on {place}; push that again"
    )


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
