"""The OCI image layout as a store."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from registry_client.descriptor import OCI_MANIFEST, digest_of
from registry_client.errors import (
    DigestMismatchError,
    InvalidTagError,
    LayoutError,
    LayoutLacksImageError,
    RegistryClientError,
)
from registry_client.layout import LayoutStore
from registry_client.manifest import Image

if TYPE_CHECKING:
    from pathlib import Path

APP = "oci-layout:app"


def image(content: str) -> Image:
    """An image whose manifest is all that there is of it."""
    data = json.dumps({"schemaVersion": 2, "config": {}, "annotations": {"content": content}}).encode()
    return Image(
        registry="oci-layout", repository="app", digest=digest_of(data), media_type=OCI_MANIFEST, raw_manifest=data
    )


@pytest.fixture
def store(tmp_path: Path) -> LayoutStore:
    return LayoutStore(tmp_path)


def test_what_is_put_under_a_tag_is_got_by_tag_and_by_digest(store: LayoutStore) -> None:
    store.put_image(f"{APP}:1", image("a"))
    assert store.get_image(f"{APP}:1") == image("a")
    assert store.get_image(f"{APP}@{image('a').digest}") == image("a")
    assert store.resolve(f"{APP}:1") == image("a").descriptor


def test_a_tag_moves_and_the_image_that_lost_it_stays_listed(store: LayoutStore) -> None:
    store.put_image(f"{APP}:1", image("a"))
    store.put_image(f"{APP}:1", image("b"))
    assert store.resolve(f"{APP}:1").digest == image("b").digest
    assert {descriptor.digest for descriptor in store.descriptors(APP)} == {image("a").digest, image("b").digest}


def test_an_image_has_many_tags_and_is_listed_once_for_each(store: LayoutStore) -> None:
    store.put_image(f"{APP}@{image('a').digest}", image("a"))
    store.tag_image(image("a"), "1")
    store.tag_image(image("a"), "2")
    assert [descriptor.digest for descriptor in store.descriptors(APP)] == [image("a").digest] * 2


def test_what_is_there_already_is_not_written_again(store: LayoutStore, tmp_path: Path) -> None:
    store.put_image(f"{APP}:1", image("a"))
    before = (tmp_path / "app/index.json").stat().st_mtime_ns
    store.put_image(f"{APP}:1", image("a"))
    store.put_image(f"{APP}@{image('a').digest}", image("a"))
    assert (tmp_path / "app/index.json").stat().st_mtime_ns == before


def test_without_a_tag_the_only_image_is_meant(store: LayoutStore) -> None:
    store.put_image(f"{APP}:1", image("a"))
    assert store.resolve(APP).digest == image("a").digest
    store.put_image(f"{APP}:2", image("b"))
    with pytest.raises(LayoutLacksImageError, match="has 2 images, name one by its tag; its tags: 1, 2"):
        store.resolve(APP)


def test_a_tag_that_is_not_there_is_named_beside_those_that_are(store: LayoutStore) -> None:
    store.put_image(f"{APP}:1", image("a"))
    with pytest.raises(LayoutLacksImageError, match='has no tag "2"; its tags: 1'):
        store.resolve(f"{APP}:2")


def test_a_digest_that_is_not_there_is_an_error(store: LayoutStore) -> None:
    store.put_image(f"{APP}:1", image("a"))
    with pytest.raises(LayoutLacksImageError, match="has no manifest"):
        store.get_image(f"{APP}@{image('b').digest}")


def test_bytes_that_were_changed_on_disk_are_refused(store: LayoutStore, tmp_path: Path) -> None:
    store.put_image(f"{APP}:1", image("a"))
    path = tmp_path / "app/blobs/sha256" / image("a").digest.removeprefix("sha256:")
    path.write_bytes(b"{}")
    with pytest.raises(DigestMismatchError, match="asked for sha256:"):
        store.get_image(f"{APP}:1")


def test_a_manifest_that_is_too_large_is_refused(store: LayoutStore, tmp_path: Path) -> None:
    store.put_image(f"{APP}:1", image("a"))
    path = tmp_path / "app/blobs/sha256" / image("a").digest.removeprefix("sha256:")
    path.write_bytes(bytes(4 * 1024 * 1024 + 1))
    with pytest.raises(LayoutError, match="larger than a manifest may be"):
        store.get_image(f"{APP}:1")


def test_a_folder_that_is_no_layout_is_an_error(store: LayoutStore, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="is not an OCI layout"):
        store.resolve(f"{APP}:1")
    (tmp_path / "app").mkdir()
    (tmp_path / "app/oci-layout").write_text("{}")
    for text in ("[]", "{", '{"manifests": 1}'):
        (tmp_path / "app/index.json").write_text(text)
        with pytest.raises(LayoutError, match="not an image index"):
            store.resolve(f"{APP}:1")


def test_a_digest_other_than_the_images_own_is_refused(store: LayoutStore) -> None:
    with pytest.raises(DigestMismatchError):
        store.put_image(f"{APP}@{image('b').digest}", image("a"))


def test_a_tag_that_is_none_is_refused(store: LayoutStore) -> None:
    with pytest.raises(InvalidTagError):
        store.tag_image(image("a"), "-")


def test_a_place_that_cannot_be_written_is_one_sentence(store: LayoutStore, tmp_path: Path) -> None:
    (tmp_path / "app").write_text("a file")
    with pytest.raises(LayoutError, match="cannot be written"):
        store.put_image(f"{APP}:1", image("a"))


def test_an_image_on_a_registry_is_not_for_a_layout(store: LayoutStore) -> None:
    with pytest.raises(RegistryClientError, match="on a registry"):
        store.resolve("redis")


def test_tags_that_are_set_at_once_are_all_there(store: LayoutStore) -> None:
    tags = [str(number) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda tag: store.put_image(f"{APP}:{tag}", image(tag)), tags))
    assert [store.resolve(f"{APP}:{tag}").digest for tag in tags] == [image(tag).digest for tag in tags]
