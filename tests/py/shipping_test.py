"""Cargos under way: what is sent, what is mounted, in which order, and what a failure leaves behind."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from built_images import Built, artifact, descriptor, encoded, image, index, put
from faults import HANG_UP, Reply
from registry_client.descriptor import OCI_INDEX, digest_of
from registry_client.errors import DigestMismatchError, LayoutLacksImageError, RegistryError
from registry_client.operations.content import Surveyor
from registry_client.operations.shipping import Shipment
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path

    from memory_registry import MemoryRegistry
    from registry_client.layout import LayoutStore
    from registry_client.operations.shipping import Delivery
    from registry_client.operations.stores import AnyStore

ONE, TWO = image("one", b"shared", b"layer of one"), image("two", b"shared", b"layer of two")
BOTH = index(ONE, TWO)
SIZE = sum(len(data) for data in {*BOTH.blobs})
DENIED = Reply(403, {}, b'{"errors": [{"code": "DENIED", "message": "no"}]}')


def ship(store: AnyStore, source: str, *destinations: str, built: Built = BOTH) -> list[Delivery]:
    surveyor = Surveyor(store)
    cargos = [
        surveyor.survey(parse_reference(f"{source}@{built.digest}"), parse_reference(f"{destination}:1"))
        for destination in destinations
    ]
    return Shipment(cargos, store).ship()


def uploads(registry: MemoryRegistry) -> list[str]:
    return [request for request in registry.seen if request.startswith("PUT") and "/blobs/" in request]


def test_all_but_the_root_is_brought_and_no_tag_is_set(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    sbom = artifact(BOTH)
    put(layouts, "a", BOTH)
    put(layouts, "a", sbom)
    (delivery,) = ship(store, "oci-layout:a", f"{registry.address}/b")
    assert (delivery.error, delivery.moved, delivery.mounted) == (None, SIZE + len(b"{}"), 0)
    assert {digest for _, digest in registry.images} == {ONE.digest, TWO.digest, sbom.digest}
    assert registry.tags("b") == {}
    assert len(uploads(registry)) == len({*BOTH.blobs, b"{}"})


def test_a_registry_takes_blobs_of_its_own_over_by_itself(store: AnyStore, registry: MemoryRegistry) -> None:
    registry.add("a", BOTH, "1")
    (delivery,) = ship(store, f"{registry.address}/a", f"{registry.address}/b")
    assert (delivery.error, delivery.moved, delivery.mounted) == (None, 0, SIZE)
    assert uploads(registry) == []
    assert not any(request.startswith("GET /v2/a/blobs") for request in registry.seen)


def test_what_a_registry_does_not_take_over_is_sent(store: AnyStore, registry: MemoryRegistry) -> None:
    registry.add("a", ONE, "1")
    registry.faults["mount="] = Reply(202, {"Location": "/v2/b/blobs/uploads/9"})
    (delivery,) = ship(store, f"{registry.address}/a", f"{registry.address}/b", built=ONE)
    assert (delivery.error, delivery.moved, delivery.mounted) == (None, sum(map(len, ONE.blobs)), 0)
    assert all("/uploads/9?" in request for request in uploads(registry))


def test_a_blob_for_several_repositories_is_sent_once(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    put(layouts, "a", BOTH)
    first, second = ship(store, "oci-layout:a", f"{registry.address}/b", f"{registry.address}/c")
    assert (first.moved, first.mounted) == (SIZE, 0)
    assert (second.moved, second.mounted) == (0, SIZE)
    assert len(uploads(registry)) == len({*BOTH.blobs})


def test_what_is_there_is_not_sent(store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry) -> None:
    put(layouts, "a", ONE)
    registry.add("b", TWO)
    (delivery,) = ship(store, "oci-layout:a", f"{registry.address}/b", built=ONE)
    assert delivery.moved == sum(map(len, ONE.blobs)) - len(b"shared")


@pytest.mark.parametrize("broken", [b"!hared", b"share", b"shared!"])
def test_of_a_blob_with_wrong_bytes_nothing_appears(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry, tmp_path: Path, broken: bytes
) -> None:
    put(layouts, "a", ONE)
    (tmp_path / "a/blobs/sha256" / digest_of(b"shared").removeprefix("sha256:")).write_bytes(broken)
    to_registry, to_layout = ship(store, "oci-layout:a", f"{registry.address}/b", "oci-layout:c", built=ONE)
    assert isinstance(to_registry.error, DigestMismatchError)
    assert isinstance(to_layout.error, DigestMismatchError)
    assert ("b", digest_of(b"shared")) not in registry.blobs
    assert registry.images == {}
    assert layouts.descriptors("oci-layout:c") == []
    assert not layouts.has_blob("oci-layout:c", ONE.image.layers[0])


def test_a_registry_that_gives_wrong_bytes_fails_the_copy(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    registry.add("a", ONE)
    registry.blobs["a", digest_of(b"shared")] = b"!hared"
    (delivery,) = ship(store, f"{registry.address}/a", "oci-layout:c", built=ONE)
    assert isinstance(delivery.error, DigestMismatchError)
    assert not layouts.has_blob("oci-layout:c", ONE.image.layers[0])


def test_a_blob_that_is_missing_fails_the_copy(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry, tmp_path: Path
) -> None:
    put(layouts, "a", BOTH)
    (tmp_path / "a/blobs/sha256" / digest_of(b"layer of two").removeprefix("sha256:")).unlink()
    (delivery,) = ship(store, "oci-layout:a", f"{registry.address}/b")
    assert isinstance(delivery.error, LayoutLacksImageError)
    assert registry.images == {}


def test_what_fails_in_one_repository_is_brought_to_the_other(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    put(layouts, "a", BOTH)
    registry.faults["POST /v2/b/"] = DENIED
    for places in (["b", "c"], ["d", "b"]):
        deliveries = ship(store, "oci-layout:a", *(f"{registry.address}/{place}" for place in places))
        errors = {place: delivery.error for place, delivery in zip(places, deliveries, strict=True)}
        assert isinstance(errors.pop("b"), RegistryError)
        assert set(errors.values()) == {None}
    assert {place for place, _ in registry.images} == {"c", "d"}


def test_a_part_that_is_refused_stops_what_is_above_it(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    outer = index(BOTH)
    put(layouts, "a", outer)
    registry.faults[f"PUT .*{ONE.digest}"] = DENIED
    (delivery,) = ship(store, "oci-layout:a", f"{registry.address}/b", built=outer)
    assert isinstance(delivery.error, RegistryError)
    assert {digest for _, digest in registry.images} == {TWO.digest}


def test_what_is_attached_and_refused_fails_the_copy(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    sbom = artifact(BOTH)
    put(layouts, "a", BOTH)
    put(layouts, "a", sbom)
    registry.faults[f"PUT .*{sbom.digest}"] = DENIED
    (delivery,) = ship(store, "oci-layout:a", f"{registry.address}/b")
    assert isinstance(delivery.error, RegistryError)


def test_an_upload_whose_answer_is_lost_costs_nothing_but_time(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    put(layouts, "a", ONE)
    lost = f"PUT .*digest={digest_of(b'shared')}"
    registry.blobs["b", digest_of(b"shared")] = b"shared"
    registry.faults[lost] = HANG_UP
    registry.faults["HEAD .*/blobs/"] = Reply(200)
    (delivery,) = ship(store, "oci-layout:a", f"{registry.address}/b", built=ONE)
    assert delivery.error is None


def test_a_layout_gets_blobs_from_another_one_on_the_disk(store: AnyStore, layouts: LayoutStore) -> None:
    put(layouts, "a", BOTH)
    (delivery,) = ship(store, "oci-layout:a", "oci-layout:b")
    assert (delivery.error, delivery.moved, delivery.mounted) == (None, 0, SIZE)
    assert all(layouts.has_blob("oci-layout:b", blob) for blob in (*ONE.image.blobs, *TWO.image.blobs))
    assert layouts.descriptors("oci-layout:b") == []


def test_blobs_without_bytes_and_of_long_digests_are_brought(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry, tmp_path: Path
) -> None:
    long = digest_of(b"long", "sha512")
    entry = {"mediaType": "text/plain", "digest": long, "size": 4}
    built = image("odd", b"", b"other", extra=[entry])
    put(layouts, "a", built)
    (tmp_path / "a/blobs/sha512").mkdir()
    (tmp_path / "a/blobs/sha512" / long.removeprefix("sha512:")).write_bytes(b"long")
    deliveries = ship(store, "oci-layout:a", f"{registry.address}/b", "oci-layout:c", built=built)
    assert [delivery.error for delivery in deliveries] == [None, None]
    assert registry.blobs["b", digest_of(b"")] == b""
    assert registry.blobs["b", long] == b"long"
    assert (tmp_path / "c/blobs/sha512" / long.removeprefix("sha512:")).read_bytes() == b"long"


def test_a_blob_that_an_index_lists_itself_is_brought(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    entries = [ONE.image.descriptor.to_json(), descriptor(b"loose", "text/plain").to_json()]
    mixed = Built(image=encoded(OCI_INDEX, {"manifests": entries}), blobs=[*ONE.blobs, b"loose"], parts=[ONE.image])
    put(layouts, "a", mixed)
    (delivery,) = ship(store, "oci-layout:a", f"{registry.address}/b", built=mixed)
    assert delivery.error is None
    assert registry.blobs["b", digest_of(b"loose")] == b"loose"
    assert {digest for _, digest in registry.images} == {ONE.digest}


def test_nothing_to_ship_is_no_request(store: AnyStore) -> None:
    assert Shipment([], store).ship() == []
