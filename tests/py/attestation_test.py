"""A receipt beside what was promoted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from built_images import Built, any_store, image, put
from faults import Reply, served
from memory_registry import MemoryRegistry
from registry_client.errors import RegistryError
from registry_client.layout import LayoutStore
from registry_client.operations.attestation import MEDIA_TYPE, PREDICATE_TYPE, attach_receipt
from registry_client.operations.evidence import check_evidence
from registry_client.operations.promotion import EdgeResult, preflight, set_tags, ship
from registry_client.plan import Edge, Plan
from registry_client.receipt import Receipt, now
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path

    from registry_client.operations.stores import AnyStore

ONE, TWO = image("one"), image("two")


def promoted(store: AnyStore, *ways: tuple[Built, str]) -> tuple[Receipt, list[EdgeResult]]:
    edges = [
        Edge(
            source=parse_reference(f"oci-layout:a@{built.digest}"),
            destination=parse_reference(destination),
            target="//:promote",
        )
        for built, destination in ways
    ]
    results = set_tags(ship(preflight(Plan(edges=edges), store), store), store)
    receipt = Receipt(plan=ONE.digest, edges=[result.for_receipt() for result in results], started=now())
    return receipt, results


def source(root: Path) -> AnyStore:
    layouts = LayoutStore(root)
    put(layouts, "a", ONE, "1")
    put(layouts, "a", TWO)
    return any_store(root)


def test_a_receipt_refers_to_each_image_where_it_is_now(tmp_path: Path) -> None:
    store = source(tmp_path)
    receipt, results = promoted(store, (ONE, "oci-layout:b:1"), (ONE, "oci-layout:b:2"), (TWO, "oci-layout:bb:1"))
    answers = attach_receipt(receipt, results, store)
    assert {str(place): answer for place, answer in answers.items()} == {
        f"oci-layout:b@{ONE.digest}": None,
        f"oci-layout:bb@{TWO.digest}": None,
    }
    place = parse_reference(f"oci-layout:b@{ONE.digest}")
    (referrer,) = LayoutStore(tmp_path).get_referrers(place)
    assert (referrer.artifact_type, referrer.annotations) == (MEDIA_TYPE, {"in-toto.io/predicate-type": PREDICATE_TYPE})
    (layer,) = store.get_image(place.pinned(referrer.digest)).layers
    statement = json.loads(store.get_blob(place, layer))
    assert statement["subject"] == [{"digest": {"sha256": ONE.digest.removeprefix("sha256:")}, "name": "oci-layout:b"}]
    edges = statement["predicate"]["edges"]
    assert [edge["destination"] for edge in edges] == ["oci-layout:b:1", "oci-layout:b:2"]
    check_evidence(any_store(tmp_path), place, [PREDICATE_TYPE])


def test_what_was_not_changed_gets_no_receipt(tmp_path: Path) -> None:
    store = source(tmp_path)
    receipt, results = promoted(store, (ONE, "oci-layout:a:1"))
    assert attach_receipt(receipt, results, store) == {}


def test_a_registry_that_does_not_take_a_receipt_is_named(tmp_path: Path) -> None:
    store = source(tmp_path)
    registry = MemoryRegistry()
    with served(registry):
        receipt, results = promoted(store, (ONE, f"{registry.address}/b:1"))
        registry.faults["POST"] = Reply(403)
        ((place, answer),) = attach_receipt(receipt, results, store).items()
    assert str(place) == f"{registry.address}/b@{ONE.digest}"
    assert isinstance(answer, RegistryError)
