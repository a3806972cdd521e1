"""Rollback: tags go back to where a receipt says that they were, unless somebody has moved them since."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from built_images import image, put
from faults import Reply, served
from memory_registry import MemoryRegistry
from registry_client.errors import MovedTagError, RegistryError, TagDeletionError
from registry_client.layout import LayoutStore
from registry_client.operations.rollback import Outcome, RollbackResult, plan_rollback, roll_back
from registry_client.receipt import Receipt, ReceiptEdge
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from built_images import Built
    from registry_client.operations.stores import AnyStore

OLD, NEW, OTHER = image("old"), image("new"), image("other")


@pytest.fixture
def registry() -> Iterator[MemoryRegistry]:
    registry = MemoryRegistry()
    for built in (OLD, NEW, OTHER):
        registry.add("a", built)
    with served(registry):
        yield registry


def receipt(
    place: str, old: Built | None, result: str = "tagged", *, tag: str | None = "prod", tried: bool = True
) -> Receipt:
    name = parse_reference(f"{place}:x")
    edge = ReceiptEdge(
        source=name.pinned(NEW.digest),
        destination=name.tagged(tag) if tag else name.pinned(NEW.digest),
        target="//:promote",
        old=old.digest if old else None,
        new=NEW.digest,
        result=result,
        is_tried=tried and result == "failed",
    )
    return Receipt(plan=NEW.digest, edges=[edge], started=dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc))


def undo(store: AnyStore, it: Receipt, *, force: bool = False) -> RollbackResult:
    (result,) = roll_back(plan_rollback(it, store, force=force), store)
    return result


def prod(registry: MemoryRegistry, built: Built | None) -> str:
    """Have the tag on an image; gives the repository."""
    if built is not None:
        registry.add("a", built, "prod")
    return f"{registry.address}/a"


@pytest.mark.parametrize("result", ["tagged", "copied", "not done", "failed"])
def test_a_tag_that_was_moved_goes_back(store: AnyStore, registry: MemoryRegistry, result: str) -> None:
    undone = undo(store, receipt(prod(registry, NEW), OLD, result))
    assert (undone.outcome, undone.now) == (Outcome.RESTORED, NEW.digest)
    assert registry.tags("a") == {"prod": OLD.digest}


@pytest.mark.parametrize("result", ["tagged", "copied", "not done", "failed"])
def test_a_tag_that_was_new_is_taken_away(store: AnyStore, registry: MemoryRegistry, result: str) -> None:
    assert undo(store, receipt(prod(registry, NEW), None, result)).outcome is Outcome.REMOVED
    assert registry.tags("a") == {}
    assert ("a", NEW.digest) in registry.images


def test_in_a_layout_tags_go_back_too(store: AnyStore, tmp_path: Path) -> None:
    layouts = LayoutStore(tmp_path)
    for built in (OLD, NEW):
        put(layouts, "a", built)
    put(layouts, "a", NEW, "prod")
    assert undo(store, receipt("oci-layout:a", OLD)).outcome is Outcome.RESTORED
    assert layouts.resolve("oci-layout:a:prod").digest == OLD.digest
    put(layouts, "a", NEW, "prod")
    assert undo(store, receipt("oci-layout:a", None)).outcome is Outcome.REMOVED
    assert layouts.get_tags("oci-layout:a") == []


def test_what_is_back_already_stays(store: AnyStore, registry: MemoryRegistry) -> None:
    assert undo(store, receipt(prod(registry, OLD), OLD)).outcome is Outcome.UNCHANGED
    assert registry.writes() == []


@pytest.mark.parametrize("now", [NEW, OTHER, None])
def test_what_the_promotion_did_not_touch_stays(store: AnyStore, registry: MemoryRegistry, now: Built | None) -> None:
    name = prod(registry, now)
    assert undo(store, receipt(name, NEW, "unchanged")).outcome is Outcome.UNCHANGED
    assert undo(store, receipt(name, OLD, tag=None)).outcome is Outcome.UNCHANGED
    assert registry.writes() == []


@pytest.mark.parametrize("result", ["tagged", "copied", "not done"])
@pytest.mark.parametrize("now", [OTHER, None])
def test_a_tag_that_somebody_has_moved_since_stays_unless_forced(
    store: AnyStore, registry: MemoryRegistry, result: str, now: Built | None
) -> None:
    it = receipt(prod(registry, now), OLD, result)
    failed = undo(store, it)
    assert isinstance(failed.error, MovedTagError)
    assert str(failed.error) == (
        f"somebody has moved it since: it was set to {NEW.digest}, and is {now.digest if now else 'not there'} now; "
        "to put it back all the same, add --force"
    )
    assert registry.writes() == []
    assert undo(store, it, force=True).outcome is Outcome.RESTORED
    assert registry.tags("a") == {"prod": OLD.digest}


@pytest.mark.parametrize("old", [OLD, None])
def test_a_tag_that_failed_before_it_was_set_was_set_by_somebody_else(
    store: AnyStore, registry: MemoryRegistry, old: Built | None
) -> None:
    it = receipt(prod(registry, NEW), old, "failed", tried=False)
    assert undo(store, it, force=True).outcome is Outcome.UNCHANGED
    assert registry.tags("a") == {"prod": NEW.digest}


def test_a_tag_that_failed_and_is_elsewhere_was_never_set(store: AnyStore, registry: MemoryRegistry) -> None:
    assert undo(store, receipt(prod(registry, OTHER), OLD, "failed"), force=True).outcome is Outcome.UNCHANGED


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_a_registry_that_takes_no_tags_away_leaves_that_to_people(
    store: AnyStore, registry: MemoryRegistry, status: int
) -> None:
    registry.faults["DELETE"] = Reply(status)
    failed = undo(store, receipt(prod(registry, NEW), None))
    assert isinstance(failed.error, TagDeletionError)
    assert f"HTTP {status}" in str(failed.error)
    assert str(failed.error).endswith("delete it by hand")


def test_another_refusal_is_told_as_it_is(store: AnyStore, registry: MemoryRegistry) -> None:
    registry.faults["DELETE"] = Reply(403)
    failed = undo(store, receipt(prod(registry, NEW), None))
    assert isinstance(failed.error, RegistryError)
    assert failed.outcome is Outcome.FAILED


def test_a_tag_that_cannot_be_looked_at_fails(store: AnyStore, registry: MemoryRegistry) -> None:
    registry.faults["HEAD"] = Reply(401)
    assert undo(store, receipt(prod(registry, NEW), OLD)).outcome is Outcome.FAILED


def test_an_old_image_that_is_gone_fails(store: AnyStore, registry: MemoryRegistry) -> None:
    name = prod(registry, NEW)
    del registry.images["a", OLD.digest]
    assert undo(store, receipt(name, OLD)).outcome is Outcome.FAILED
    assert registry.tags("a") == {"prod": NEW.digest}
