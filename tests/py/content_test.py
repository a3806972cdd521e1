"""What has to be copied for an image to be complete elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from built_images import artifact, attestation, cosign_signature, descriptor, image, index, put
from faults import Reply, served
from memory_registry import MemoryRegistry
from registry_client.descriptor import digest_of
from registry_client.errors import BadRegistryResponseError, RegistryClientError, SignatureConflictError
from registry_client.operations.content import Surveyor
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path

    from built_images import Built
    from registry_client.layout import LayoutStore
    from registry_client.operations.content import Cargo
    from registry_client.operations.stores import AnyStore

ONE, TWO = image("one"), image("two", b"layer of two", b"layer of one")
BOTH = index(ONE, TWO)


def survey(
    store: AnyStore,
    built: Built,
    *,
    source: str = "oci-layout:a",
    destination: str = "oci-layout:b",
    referrers: bool = True,
) -> Cargo:
    surveyor = Surveyor(store, referrers=referrers)
    return surveyor.survey(parse_reference(f"{source}@{built.digest}"), parse_reference(f"{destination}:1"))


def digests(cargo: Cargo) -> tuple[list[str], list[str]]:
    """Of the parts, and of what is attached."""
    return [part.image.digest for part in cargo.parts], [part.image.digest for part in cargo.attached]


def test_a_single_image_is_its_manifest_and_its_blobs(store: AnyStore, layouts: LayoutStore) -> None:
    put(layouts, "a", ONE)
    cargo = survey(store, ONE)
    assert digests(cargo) == ([], [])
    assert cargo.root.image.digest == ONE.digest
    assert not cargo.root.is_listed
    assert [blob.digest for blob in cargo.root.blobs] == [digest_of(data) for data in ONE.blobs]
    assert cargo.size == sum(map(len, ONE.blobs))


def test_an_index_takes_its_images_along_before_itself(store: AnyStore, layouts: LayoutStore) -> None:
    outer = index(BOTH, image("three"))
    put(layouts, "a", outer)
    cargo = survey(store, outer)
    assert digests(cargo) == ([ONE.digest, TWO.digest, BOTH.digest, image("three").digest], [])
    assert [part.height for part in cargo.parts] == [1, 1, 2, 1]
    assert all(part.is_listed for part in cargo.parts)
    assert cargo.root.height == 3
    assert cargo.size == sum(len(data) for data in {*outer.blobs})


def test_what_the_destination_has_is_not_copied_again(store: AnyStore, layouts: LayoutStore) -> None:
    put(layouts, "a", BOTH)
    put(layouts, "b", ONE)
    assert digests(survey(store, BOTH)) == ([TWO.digest], [])
    put(layouts, "b", BOTH)
    whole = survey(store, BOTH)
    assert digests(whole) == ([], [])
    assert whole.size == 0


def test_an_index_within_an_index_that_is_there_is_looked_into_for_its_referrers(
    store: AnyStore, layouts: LayoutStore
) -> None:
    outer, sbom = index(BOTH), artifact(TWO)
    put(layouts, "a", outer)
    put(layouts, "a", sbom)
    put(layouts, "b", BOTH)
    assert digests(survey(store, outer)) == ([], [sbom.digest])


def test_an_image_of_which_a_part_is_missing_is_not_copied(
    store: AnyStore, layouts: LayoutStore, tmp_path: Path
) -> None:
    put(layouts, "a", BOTH)
    (tmp_path / "a/blobs/sha256" / TWO.digest.removeprefix("sha256:")).unlink()
    with pytest.raises(RegistryClientError, match=f"the layout has no manifest {TWO.digest}"):
        survey(store, BOTH)


def test_indexes_within_each_other_without_end_are_refused(store: AnyStore, layouts: LayoutStore) -> None:
    nested = ONE
    for _ in range(5):
        nested = index(nested)
    put(layouts, "a", nested)
    assert survey(store, nested).root.height == 6
    nested = index(nested)
    put(layouts, "a", nested)
    with pytest.raises(BadRegistryResponseError, match="more than 6 indexes within each other"):
        survey(store, nested)


def test_what_refers_to_an_image_and_to_its_parts_goes_along(store: AnyStore, layouts: LayoutStore) -> None:
    found = [artifact(BOTH), attestation(ONE), artifact(TWO)]
    for built in (BOTH, *found):
        put(layouts, "a", built)
    parts, attached = digests(survey(store, BOTH))
    assert parts == [ONE.digest, TWO.digest]
    assert set(attached) == {each.digest for each in found}
    assert digests(survey(store, BOTH, referrers=False)) == (parts, [])


def test_what_refers_to_what_refers_to_an_image_goes_along(store: AnyStore, layouts: LayoutStore) -> None:
    sbom = artifact(ONE)
    signature = artifact(sbom, kind="application/vnd.cncf.notary.signature")
    for built in (ONE, sbom, signature):
        put(layouts, "a", built)
    assert digests(survey(store, ONE)) == ([], [sbom.digest, signature.digest])


def test_an_index_that_refers_to_an_image_goes_along_with_its_parts(store: AnyStore, layouts: LayoutStore) -> None:
    listing = index(TWO, subject=ONE.image.descriptor.to_json())
    put(layouts, "a", ONE)
    put(layouts, "a", listing)
    cargo = survey(store, ONE)
    assert digests(cargo) == ([], [TWO.digest, listing.digest])
    assert [(part.is_listed, part.height) for part in cargo.attached] == [(True, 1), (False, 2)]


def test_referrers_without_end_are_refused(store: AnyStore, layouts: LayoutStore) -> None:
    chain = [ONE]
    for _ in range(6):
        chain.append(artifact(chain[-1]))
    for built in chain:
        put(layouts, "a", built)
    with pytest.raises(BadRegistryResponseError, match="more than 6 deep"):
        survey(store, ONE)


def test_a_referrer_that_the_destination_lists_is_not_put_again(store: AnyStore, layouts: LayoutStore) -> None:
    sbom = artifact(ONE)
    for place in ("a", "b"):
        put(layouts, place, ONE)
        put(layouts, place, sbom)
    assert digests(survey(store, ONE)) == ([], [])


def test_a_referrer_that_the_destination_has_but_does_not_list_is_put_without_its_blobs(
    store: AnyStore, layouts: LayoutStore
) -> None:
    sbom = artifact(ONE)
    put(layouts, "a", ONE)
    put(layouts, "a", sbom)
    put(layouts, "b", index(sbom))
    (part,) = survey(store, ONE).attached
    assert (part.image.digest, part.blobs, part.is_listed) == (sbom.digest, (), False)


def test_what_cosign_files_under_tags_goes_along_under_them(store: AnyStore, layouts: LayoutStore) -> None:
    signature, sbom = cosign_signature(ONE.digest, "me"), artifact(None)
    put(layouts, "a", BOTH)
    put(layouts, "a", signature, f"{ONE.stem}.sig")
    put(layouts, "a", sbom, f"{BOTH.stem}.sbom", f"{BOTH.stem}.other")
    attached = survey(store, BOTH).attached
    assert {str(part.destination) for part in attached} == {
        f"oci-layout:b:{ONE.stem}.sig",
        f"oci-layout:b:{BOTH.stem}.sbom",
    }


@pytest.mark.parametrize(
    ("there", "copied"),
    [(["me"], False), (["me", "you"], False), ([], True), (["other"], None)],
)
def test_signatures_are_replaced_only_by_more_of_them(
    store: AnyStore, layouts: LayoutStore, there: list[str], *, copied: bool | None
) -> None:
    tag = f"{ONE.stem}.sig"
    put(layouts, "a", ONE)
    put(layouts, "a", cosign_signature(ONE.digest, "me"), tag)
    put(layouts, "b", cosign_signature(ONE.digest, *there), tag)
    if copied is None:
        with pytest.raises(SignatureConflictError, match=f"^oci-layout:b:{tag} has other signatures .*--no-referrers"):
            survey(store, ONE)
        assert digests(survey(store, ONE, referrers=False)) == ([], [])
    else:
        assert len(survey(store, ONE).attached) == copied


@pytest.mark.parametrize("lists_tags", [True, False])
def test_on_a_registry_cosigns_tags_are_found_whether_it_lists_tags_or_not(
    store: AnyStore, registry: MemoryRegistry, *, lists_tags: bool
) -> None:
    signature = cosign_signature(ONE.digest, "me")
    registry.add("team/a", ONE, "1")
    registry.add("team/a", signature, f"{ONE.stem}.sig")
    if not lists_tags:
        registry.faults["tags/list"] = Reply(403)
    cargo = survey(store, ONE, source=f"{registry.address}/team/a", destination=f"{registry.address}/team/b")
    assert digests(cargo) == ([], [signature.digest])
    assert sum("tags/list" in request for request in registry.seen) == 1


@pytest.mark.parametrize("keeps", [True, False])
def test_on_a_registry_what_refers_is_found_whoever_keeps_the_list(store: AnyStore, *, keeps: bool) -> None:
    registry = MemoryRegistry(keeps_referrers=keeps)
    sbom = artifact(ONE)
    registry.add("a", ONE, "1")
    registry.add("a", sbom)
    if not keeps:
        registry.add("a", index(sbom), ONE.stem)
    with served(registry):
        cargo = survey(store, ONE, source=f"{registry.address}/a", destination=f"{registry.address}/b")
    assert digests(cargo) == ([], [sbom.digest])


def test_a_destination_that_does_not_say_what_refers_to_an_image_is_an_error(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    registry.faults["referrers"] = Reply(500)
    put(layouts, "a", ONE)
    put(layouts, "a", artifact(ONE))
    with pytest.raises(RegistryClientError, match="HTTP 500"):
        survey(store, ONE, destination=f"{registry.address}/b")


def test_a_repository_that_does_not_exist_yet_lists_nothing(
    store: AnyStore, layouts: LayoutStore, registry: MemoryRegistry
) -> None:
    sbom = artifact(ONE)
    registry.faults["(referrers|manifests)/"] = Reply(404, {}, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')
    put(layouts, "a", ONE)
    put(layouts, "a", sbom)
    assert digests(survey(store, ONE, destination=f"{registry.address}/b")) == ([], [sbom.digest])
    assert registry.writes() == []


def test_a_digest_of_the_long_kind_is_copied_like_any_other(store: AnyStore, layouts: LayoutStore) -> None:
    blob = descriptor(b"long", algorithm="sha512")
    built = image("long", extra=[blob.to_json()])
    put(layouts, "a", built)
    assert blob.digest in {each.digest for each in survey(store, built).root.blobs}
