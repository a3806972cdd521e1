"""Promotion, on layouts and on a registry: what is looked at first, and what becomes of each tag."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from built_images import Built, artifact, attestation, image, index, put
from faults import HANG_UP, Reply, served
from memory_registry import MemoryRegistry
from registry_client.errors import EvidenceError, ImmutableTagError, RegistryError, RegistryUnreachableError
from registry_client.operations.promotion import EdgeResult, Outcome, preflight, set_tags, ship
from registry_client.plan import Edge, Plan
from registry_client.policy import Overwrite
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from registry_client.layout import LayoutStore
    from registry_client.operations.stores import AnyStore

ONE, TWO = image("one"), image("two")
BOTH = index(ONE, TWO)
REFUSED = Reply(409, {}, b'{"errors": [{"code": "TAG_INVALID", "message": "tag is immutable"}]}')


@pytest.fixture
def registry() -> Iterator[MemoryRegistry]:
    registry = MemoryRegistry()
    registry.add("a", BOTH, "1")
    with served(registry):
        yield registry


def edge(built: Built, source: str, destination: str, **more: Any) -> Edge:  # noqa: ANN401
    return Edge(
        source=parse_reference(f"{source}@{built.digest}"),
        destination=parse_reference(destination),
        target="//:promote",
        **more,
    )


def promote(store: AnyStore, *edges: Edge, referrers: bool = True) -> list[EdgeResult]:
    return set_tags(ship(preflight(Plan(edges=edges), store, referrers=referrers), store), store)


def outcomes(results: list[EdgeResult]) -> list[Outcome]:
    return [result.outcome for result in results]


def test_a_tag_in_the_images_own_repository_is_two_requests_and_a_put(
    store: AnyStore, registry: MemoryRegistry
) -> None:
    name = f"{registry.address}/a"
    results = promote(store, edge(ONE, name, f"{name}:prod"), edge(ONE, name, f"{name}:1"))
    assert outcomes(results) == [Outcome.TAGGED] * 2
    assert [result.old for result in results] == [None, BOTH.digest]
    assert [request.partition(" ")[0] for request in registry.seen] == ["HEAD", "HEAD", "GET", "PUT", "PUT"]
    assert registry.tags("a") == {"prod": ONE.digest, "1": ONE.digest}


def test_a_tag_that_is_right_already_is_one_request(store: AnyStore, registry: MemoryRegistry) -> None:
    name = f"{registry.address}/a"
    (result,) = promote(store, edge(BOTH, name, f"{name}:1"))
    assert result.outcome is Outcome.UNCHANGED
    assert registry.seen == ["HEAD /v2/a/manifests/1"]


def test_an_image_is_complete_before_its_tag_is_set(store: AnyStore, registry: MemoryRegistry) -> None:
    source, sbom = f"{registry.address}/a", artifact(BOTH)
    registry.add("a", sbom)
    results = promote(store, *(edge(BOTH, source, f"{registry.address}/b:{tag}") for tag in ("1", "2")))
    assert outcomes(results) == [Outcome.COPIED] * 2
    assert registry.tags("b") == {"1": BOTH.digest, "2": BOTH.digest}
    assert ("b", sbom.digest) in registry.images
    assert [result.mounted > 0 for result in results] == [True, False]
    assert registry.writes()[-2:] == ["PUT /v2/b/manifests/1", "PUT /v2/b/manifests/2"]


def test_an_image_goes_from_a_layout_to_a_registry_and_back(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    put(layouts, "a", BOTH)
    there, back = f"{registry.address}/b", "oci-layout:c:1"
    (first,) = promote(store, edge(BOTH, "oci-layout:a", f"{there}:1"))
    (second,) = promote(store, edge(BOTH, there, back))
    assert (first.outcome, second.outcome) == (Outcome.COPIED, Outcome.COPIED)
    assert first.moved == second.moved == sum(map(len, BOTH.blobs))
    assert layouts.get_image(back).raw_manifest == BOTH.image.raw_manifest


def test_an_image_may_be_copied_without_a_tag(store: AnyStore, registry: MemoryRegistry) -> None:
    copied = edge(BOTH, f"{registry.address}/a", f"{registry.address}/b@{BOTH.digest}")
    assert outcomes(promote(store, copied)) == [Outcome.COPIED]
    assert outcomes(promote(store, copied)) == [Outcome.UNCHANGED]
    assert registry.tags("b") == {}


def test_nothing_is_written_while_one_only_looks(store: AnyStore, registry: MemoryRegistry) -> None:
    looked = preflight(Plan(edges=[edge(BOTH, f"{registry.address}/a", f"{registry.address}/b:1")]), store)
    assert outcomes(looked) == [Outcome.PENDING]
    assert looked[0].cargo is not None
    assert registry.writes() == []


def test_an_immutable_tag_on_another_digest_stays_there(store: AnyStore, registry: MemoryRegistry) -> None:
    name = f"{registry.address}/a"
    (result,) = promote(store, edge(ONE, name, f"{name}:1", overwrite=Overwrite.IMMUTABLE))
    assert isinstance(result.error, ImmutableTagError)
    assert str(result.error).startswith(f"it is on {BOTH.digest} and immutable, so it cannot be on {ONE.digest}; ")
    assert registry.writes() == []


def test_an_immutable_tag_on_the_same_digest_or_on_none_is_fine(store: AnyStore, registry: MemoryRegistry) -> None:
    name = f"{registry.address}/a"
    edges = [edge(BOTH, name, f"{name}:{tag}", overwrite=Overwrite.IMMUTABLE) for tag in ("1", "2")]
    assert outcomes(promote(store, *edges)) == [Outcome.UNCHANGED, Outcome.TAGGED]


def test_an_image_without_what_it_must_have_is_not_promoted(store: AnyStore, registry: MemoryRegistry) -> None:
    name, slsa = f"{registry.address}/a", "https://slsa.dev/provenance/v1"
    registry.add("a", attestation(ONE))
    results = promote(
        store,
        edge(ONE, name, f"{name}:2", requires=[slsa]),
        edge(TWO, name, f"{name}:3", requires=[slsa]),
        edge(BOTH, name, f"{name}:1", requires=[slsa]),
    )
    assert outcomes(results) == [Outcome.TAGGED, Outcome.FAILED, Outcome.UNCHANGED]
    assert isinstance(results[1].error, EvidenceError)


def test_a_repository_that_one_may_not_write_to_fails_before_anything_is_sent(
    store: AnyStore, layouts: LayoutStore, tmp_path: Path
) -> None:
    put(layouts, "a", ONE)
    (tmp_path / "file").write_text("")
    looked = preflight(
        Plan(edges=[edge(ONE, "oci-layout:a", "oci-layout:new/b:1"), edge(ONE, "oci-layout:a", "oci-layout:file/x:1")]),
        store,
    )
    assert outcomes(looked) == [Outcome.PENDING, Outcome.FAILED]


def test_a_source_that_is_missing_fails_its_edges_only(store: AnyStore, registry: MemoryRegistry) -> None:
    name, lost = f"{registry.address}/a", image("lost")
    results = promote(
        store, edge(lost, name, f"{name}:2"), edge(lost, name, f"{registry.address}/b:1"), edge(ONE, name, f"{name}:3")
    )
    assert outcomes(results) == [Outcome.FAILED, Outcome.FAILED, Outcome.TAGGED]


def test_a_tag_that_cannot_be_looked_at_is_not_set(store: AnyStore, registry: MemoryRegistry) -> None:
    registry.faults["manifests/2"] = Reply(401)
    name = f"{registry.address}/a"
    results = promote(store, edge(ONE, name, f"{name}:2"), edge(ONE, name, f"{name}:3"))
    assert outcomes(results) == [Outcome.FAILED, Outcome.TAGGED]
    assert "PUT /v2/a/manifests/2" not in registry.seen


def test_what_cannot_be_brought_gets_no_tag(store: AnyStore, registry: MemoryRegistry) -> None:
    registry.faults["POST /v2/b/"] = Reply(403)
    source = f"{registry.address}/a"
    results = promote(
        store, edge(BOTH, source, f"{registry.address}/b:1"), edge(BOTH, source, f"{registry.address}/c:1")
    )
    assert outcomes(results) == [Outcome.FAILED, Outcome.COPIED]
    assert registry.tags("b") == {}


class TestWhenARegistryRefusesATag:
    """The tag that the registry does not take is looked at once more."""

    @pytest.fixture
    def results(self, store: AnyStore, registry: MemoryRegistry) -> list[EdgeResult]:
        name = f"{registry.address}/a"
        return ship(preflight(Plan(edges=[edge(ONE, name, f"{name}:2")]), store), store)

    def test_that_somebody_else_has_set_meanwhile_nothing_was_changed(
        self, store: AnyStore, registry: MemoryRegistry, results: list[EdgeResult]
    ) -> None:
        registry.add("a", ONE, "2")
        registry.faults["PUT"] = REFUSED
        assert outcomes(set_tags(results, store)) == [Outcome.UNCHANGED]

    def test_that_is_on_another_image_it_is_immutable(
        self, store: AnyStore, registry: MemoryRegistry, results: list[EdgeResult]
    ) -> None:
        registry.add("a", TWO, "2")
        registry.faults["PUT"] = REFUSED
        (result,) = set_tags(results, store)
        assert isinstance(result.error, ImmutableTagError)
        assert str(result.error).startswith(f"it is on {TWO.digest}, and the registry holds it immutable: HTTP 409")
        assert isinstance(result.error.__cause__, RegistryError)

    @pytest.mark.parametrize("tags", [[], ["2"]])
    def test_for_another_reason_the_reason_is_kept(
        self, store: AnyStore, registry: MemoryRegistry, results: list[EdgeResult], tags: list[str]
    ) -> None:
        registry.add("a", TWO, *tags)
        registry.faults["PUT"] = Reply(403, {}, b'{"errors": [{"code": "DENIED"}]}')
        (result,) = set_tags(results, store)
        assert "HTTP 403 - DENIED" in str(result.error)

    def test_after_an_error_of_its_own_with_the_tag_set_the_tag_was_set(
        self, store: AnyStore, registry: MemoryRegistry, results: list[EdgeResult]
    ) -> None:
        registry.add("a", ONE, "2")
        registry.faults["PUT"] = Reply(500)
        assert outcomes(set_tags(results, store)) == [Outcome.TAGGED]

    def test_and_gives_no_answer_the_edge_failed(
        self, store: AnyStore, registry: MemoryRegistry, results: list[EdgeResult]
    ) -> None:
        registry.faults["PUT"] = HANG_UP
        (result,) = set_tags(results, store)
        assert isinstance(result.error, RegistryUnreachableError)
        assert result.for_receipt().to_json()["tried"] is True


def test_a_result_says_in_a_receipt_what_became_of_it(store: AnyStore, registry: MemoryRegistry) -> None:
    name = f"{registry.address}/a"
    results = promote(store, edge(ONE, name, f"{name}:1", overwrite=Overwrite.IMMUTABLE), edge(ONE, name, f"{name}:2"))
    failed, tagged = (result.for_receipt().to_json() for result in results)
    assert (failed["old"], failed["new"], failed["result"]) == (BOTH.digest, ONE.digest, "failed")
    assert (failed["error"]["code"], "tried" in failed) == ("IMMUTABLE_TAG", False)
    assert (tagged["old"], tagged["result"], "error" in tagged) == (None, "tagged", False)


def test_a_plan_without_edges_asks_nobody(store: AnyStore) -> None:
    assert promote(store) == []
    assert store.request_counts == {}


def test_what_refers_to_an_image_may_be_left_behind(store: AnyStore, registry: MemoryRegistry) -> None:
    sbom = artifact(BOTH)
    registry.add("a", sbom)
    copied = edge(BOTH, f"{registry.address}/a", f"{registry.address}/b:1")
    assert outcomes(promote(store, copied, referrers=False)) == [Outcome.COPIED]
    assert ("b", sbom.digest) not in registry.images
