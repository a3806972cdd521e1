"""What a layout holds beside manifests under tags: blobs, what refers to an image, and tags that are taken away."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from built_images import artifact, descriptor, image, index, opening, put
from registry_client.descriptor import OCI_INDEX, digest_of
from registry_client.errors import (
    BadRegistryResponseError,
    DigestMismatchError,
    LayoutError,
    LayoutLacksImageError,
    UsageError,
)
from registry_client.layout import LayoutStore

APP, OTHER = "oci-layout:app", "oci-layout:other"
DATA = bytes(range(256)) * 10
BLOB = descriptor(DATA)
BUILT = image("a")


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path)


def write(store: LayoutStore, data: bytes = DATA) -> list[int]:
    moved: list[int] = []
    store.write_blob(APP, BLOB, lambda offset: iter([data[offset:100], data[100:]]), moved.append)
    return moved


def files(directory: Path) -> list[str]:
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def test_a_blob_that_is_written_can_be_read_from_any_byte_on(store: LayoutStore) -> None:
    assert not store.has_blob(APP, BLOB)
    assert sum(write(store)) == len(DATA)
    assert store.has_blob(APP, BLOB)
    assert b"".join(store.read_blob(APP, BLOB)) == DATA
    assert b"".join(store.read_blob(APP, BLOB, 2000)) == DATA[2000:]


@pytest.mark.parametrize("algorithm", ["sha256", "sha512"])
def test_a_blob_without_bytes_is_a_blob(store: LayoutStore, tmp_path: Path, algorithm: str) -> None:
    empty = descriptor(b"", algorithm=algorithm)
    store.write_blob(APP, empty, lambda _offset: iter([]))
    assert store.has_blob(APP, empty)
    assert (tmp_path / "app/blobs" / algorithm / empty.digest.partition(":")[2]).read_bytes() == b""


def test_wrong_bytes_leave_nothing_behind(store: LayoutStore, tmp_path: Path) -> None:
    with pytest.raises(DigestMismatchError):
        write(store, DATA[:-1] + b"!")
    assert files(tmp_path / "app") == ["index.json", "oci-layout"]


def test_a_blob_of_another_size_is_not_there(store: LayoutStore, tmp_path: Path) -> None:
    write(store)
    (tmp_path / "app/blobs/sha256" / BLOB.digest.removeprefix("sha256:")).write_bytes(b"short")
    assert not store.has_blob(APP, BLOB)


def test_a_blob_that_is_not_there_is_an_error(store: LayoutStore) -> None:
    put(store, "app", BUILT)
    with pytest.raises(LayoutLacksImageError, match=f"^{APP}: the layout has no blob {BLOB.digest}$"):
        list(store.read_blob(APP, BLOB))


def test_a_blob_that_cannot_be_written_is_one_sentence(store: LayoutStore, tmp_path: Path) -> None:
    put(store, "app", BUILT)
    (tmp_path / "app/blobs/sha256" / BLOB.digest.removeprefix("sha256:")).mkdir()
    with pytest.raises(LayoutError, match=f"^{APP} cannot be written: "):
        write(store)
    (tmp_path / "file").write_text("")
    with pytest.raises(LayoutError, match="file cannot be written: "):
        store.write_blob("oci-layout:file", BLOB, opening(DATA))


def test_a_blob_is_mounted_from_another_layout(store: LayoutStore, tmp_path: Path) -> None:
    write(store)
    assert store.mount_blob(OTHER, BLOB, "app") == ""
    assert store.has_blob(OTHER, BLOB)
    (tmp_path / "app/blobs/sha256" / BLOB.digest.removeprefix("sha256:")).write_bytes(DATA[::-1])
    with pytest.raises(DigestMismatchError):
        store.mount_blob("oci-layout:third", BLOB, "app")
    assert not store.has_blob("oci-layout:third", BLOB)


def test_a_part_of_an_index_is_not_an_image_of_the_layout(store: LayoutStore) -> None:
    whole = index(BUILT)
    put(store, "app", whole, "1")
    assert [each.digest for each in store.descriptors(APP)] == [whole.digest]
    assert store.get_image(f"{APP}@{BUILT.digest}").raw_manifest == BUILT.image.raw_manifest


def test_a_layout_may_be_elsewhere_than_its_name_says(tmp_path: Path) -> None:
    put(LayoutStore(tmp_path), "app", BUILT, "1")
    named = LayoutStore(Path("/nonexistent"), {"pkg/image": tmp_path / "app"})
    assert named.resolve("oci-layout:pkg/image:1").digest == BUILT.digest


def test_what_refers_to_an_image_is_found_by_its_subject(store: LayoutStore) -> None:
    sbom, other = artifact(BUILT), artifact(image("b"))
    for each in (BUILT, sbom, other):
        put(store, "app", each)
    found = store.get_referrers(f"{APP}@{BUILT.digest}")
    assert found == [sbom.image.referrer]
    late = artifact(BUILT, kind="application/vnd.example.late")
    put(store, "app", late)
    assert [each.digest for each in store.get_referrers(f"{APP}@{BUILT.digest}")] == [sbom.digest, late.digest]


def test_what_refers_to_an_image_is_found_by_the_list_under_a_tag_too(store: LayoutStore) -> None:
    sbom, other = artifact(BUILT), artifact(BUILT, kind="application/vnd.example.other")
    listing = index(sbom, other)
    put(store, "app", BUILT)
    put(store, "app", sbom)
    put(store, "app", listing, BUILT.stem)
    found = store.get_referrers(f"{APP}@{BUILT.digest}")
    assert [each.digest for each in found] == [sbom.digest, other.digest]
    assert found[0].artifact_type == "application/vnd.example.sbom"


def test_the_list_of_what_refers_to_a_long_digest_is_under_a_tag_that_was_cut(store: LayoutStore) -> None:
    long = digest_of(BUILT.image.raw_manifest, "sha512")
    sbom = artifact(None)
    put(store, "app", index(sbom), f"sha512-{long.removeprefix('sha512:')[:64]}")
    assert [each.digest for each in store.get_referrers(f"{APP}@{long}")] == [sbom.digest]


def test_a_manifest_that_a_layout_lists_but_lacks_refers_to_nothing(store: LayoutStore, tmp_path: Path) -> None:
    sbom = artifact(BUILT)
    put(store, "app", sbom)
    (tmp_path / "app/blobs/sha256" / sbom.digest.removeprefix("sha256:")).unlink()
    assert store.get_referrers(f"{APP}@{BUILT.digest}") == []


def test_an_index_that_lists_what_is_no_descriptor_is_refused(store: LayoutStore, tmp_path: Path) -> None:
    put(store, "app", BUILT)
    for entries in (["a"], [{"digest": "x"}]):
        (tmp_path / "app/index.json").write_text(json.dumps({"mediaType": OCI_INDEX, "manifests": entries}))
        with pytest.raises((BadRegistryResponseError, LayoutError)):
            store.get_referrers(f"{APP}@{BUILT.digest}")
        with pytest.raises((BadRegistryResponseError, LayoutError)):
            store.resolve(f"{APP}:1")


def test_what_belongs_to_an_image_is_not_meant_by_a_layout_without_a_tag(store: LayoutStore) -> None:
    sbom = artifact(BUILT)
    put(store, "app", sbom)
    assert store.resolve(APP).digest == sbom.digest, "it is all that there is"
    put(store, "app", BUILT)
    put(store, "app", image("signature"), f"{BUILT.digest.replace(':', '-')}.sig")
    assert store.resolve(APP).digest == BUILT.digest


def test_the_tags_of_a_layout_are_listed(store: LayoutStore) -> None:
    put(store, "app", BUILT, "1", "2")
    put(store, "app", image("b"))
    assert store.get_tags(APP) == ["1", "2"]
    with pytest.raises(LayoutLacksImageError):
        store.get_tags(OTHER)


def test_a_tag_that_is_taken_away_leaves_its_image(store: LayoutStore) -> None:
    put(store, "app", BUILT, "1", "2")
    store.delete_tag(f"{APP}:1")
    assert store.get_tags(APP) == ["2"]
    store.delete_tag(f"{APP}:2")
    assert store.get_tags(APP) == []
    assert [each.digest for each in store.descriptors(APP)] == [BUILT.digest]


def test_a_tag_that_is_not_there_is_not_taken_away(store: LayoutStore) -> None:
    put(store, "app", BUILT, "1")
    with pytest.raises(LayoutLacksImageError, match='has no tag "2"'):
        store.delete_tag(f"{APP}:2")


@pytest.mark.parametrize("reference", [f"{APP}@{BUILT.digest}", f"{APP}:1@{BUILT.digest}", APP])
def test_only_a_tag_may_be_taken_away(store: LayoutStore, reference: str) -> None:
    put(store, "app", BUILT, "1")
    put(store, "app", image("b"))
    with pytest.raises(UsageError, match="only a tag may be taken away"):
        store.delete_tag(reference)
    assert store.get_tags(APP) == ["1"]


def test_annotations_beside_a_tag_stay_when_it_is_taken_away(store: LayoutStore, tmp_path: Path) -> None:
    put(store, "app", BUILT, "1")
    path = tmp_path / "app/index.json"
    document = json.loads(path.read_text())
    document["manifests"][0]["annotations"]["more"] = "x"
    path.write_text(json.dumps(document))
    store.delete_tag(f"{APP}:1")
    assert json.loads(path.read_text())["manifests"][0]["annotations"] == {"more": "x"}


def test_a_layout_may_be_written_where_there_is_one_or_may_be_one(store: LayoutStore, tmp_path: Path) -> None:
    put(store, "app", BUILT)
    for reference in (APP, OTHER, "oci-layout:new/deep/down"):
        store.check_push(reference)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["app"]


def test_a_layout_may_not_be_written_where_a_file_is(store: LayoutStore, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for reference in ("oci-layout:file", "oci-layout:file/below"):
        with pytest.raises(LayoutError, match="file is not a directory that may be written"):
            store.check_push(reference)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_layout_may_not_be_written_without_the_right_to(store: LayoutStore, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(LayoutError, match="closed is not a directory that may be written"):
        store.check_push("oci-layout:closed/app")
