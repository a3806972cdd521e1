"""The client and what a registry holds beside images under tags."""

from __future__ import annotations

import json

import pytest
from built_images import artifact, client, descriptor, image, index, opening
from faults import Reply, served, serving
from memory_registry import MemoryRegistry
from registry_client.descriptor import Descriptor
from registry_client.errors import (
    BadRegistryResponseError,
    DigestMismatchError,
    RegistryError,
    UnrecognizedRegistryError,
    UsageError,
)

BUILT = image("a")


def test_tags_are_listed_over_all_pages() -> None:
    def page(*tags: str, link: str = "") -> Reply:
        return Reply(200, {"Link": link} if link else {}, json.dumps({"name": "a", "tags": tags}).encode())

    with serving(page("1", "2", link='</v2/a/tags/list?last=2>; rel="next"'), page("3")) as registry, client() as it:
        assert it.get_tags(f"{registry.address}/a") == ["1", "2", "3"]
    assert registry.seen == ["GET /v2/a/tags/list", "GET /v2/a/tags/list?last=2"]


@pytest.mark.parametrize("body", [b'{"name": "a", "tags": null}', b"{}", b'{"tags": []}', b'{"tags": "1"}'])
def test_a_repository_without_tags_has_none(body: bytes) -> None:
    with serving(Reply(200, {}, body)) as registry, client() as it:
        assert it.get_tags(f"{registry.address}/a") == []


def test_tags_that_one_may_not_see_are_an_error() -> None:
    with serving(Reply(403)) as registry, client() as it, pytest.raises(RegistryError, match="HTTP 403"):
        it.get_tags(f"{registry.address}/a")


def test_a_tag_is_taken_away_by_delete() -> None:
    with serving(Reply(202)) as registry, client() as it:
        it.delete_tag(f"{registry.address}/a:1")
    assert registry.seen == ["DELETE /v2/a/manifests/1"]


def test_a_registry_that_takes_no_tags_away_says_so() -> None:
    unsupported = Reply(405, {}, b'{"errors": [{"code": "UNSUPPORTED"}]}')
    with serving(unsupported) as registry, client() as it, pytest.raises(RegistryError, match="HTTP 405 - UNSUPPORTED"):
        it.delete_tag(f"{registry.address}/a:1")


def test_an_image_is_never_taken_away() -> None:
    with client() as it:
        for reference in (f"127.0.0.1:1/a@{BUILT.digest}", f"127.0.0.1:1/a:1@{BUILT.digest}"):
            with pytest.raises(UsageError, match="names an image, and only a tag may be taken away"):
                it.delete_tag(reference)


def test_a_part_of_an_index_is_put_under_its_digest() -> None:
    with serving(Reply(201)) as registry, client() as it:
        it.put_part(f"{registry.address}/a:1", BUILT.image)
    assert registry.seen == [f"PUT /v2/a/manifests/{BUILT.digest}"]


def test_what_is_put_is_there() -> None:
    registry = MemoryRegistry()
    whole = index(BUILT)
    with served(registry), client() as it:
        name = f"{registry.address}/team/app"
        for data in whole.blobs:
            blob = descriptor(data)
            assert not it.has_blob(name, blob)
            it.write_blob(name, blob, opening(data))
            assert it.get_blob(name, blob) == data
        for part in whole.parts:
            it.put_part(name, part)
        it.put_image(f"{name}:1", whole.image)
        assert it.get_tags(name) == ["1"]
        assert it.resolve(f"{name}:1") == whole.image.descriptor
        assert it.get_image(f"{name}@{BUILT.digest}").raw_manifest == BUILT.image.raw_manifest
        it.delete_tag(f"{name}:1")
        assert it.get_tags(f"{name}@{whole.digest}") == []


def test_a_blob_that_is_too_large_to_keep_is_not_asked_for() -> None:
    large = Descriptor(media_type="text/plain", digest=BUILT.digest, size=4 * 1024 * 1024 + 1)
    with serving(Reply(200)) as registry, client() as it, pytest.raises(BadRegistryResponseError, match="too many"):
        it.get_blob(f"{registry.address}/a", large)
    assert registry.seen == []


def test_a_blob_with_other_bytes_is_refused() -> None:
    with serving(Reply(200, {}, b"xyz")) as registry, client() as it, pytest.raises(DigestMismatchError):
        it.get_blob(f"{registry.address}/a", descriptor(b"abc"))


def test_a_blob_with_more_bytes_than_stated_is_refused() -> None:
    with serving(Reply(200, {}, b"abcd")) as registry, client() as it, pytest.raises(BadRegistryResponseError):
        it.get_blob(f"{registry.address}/a", descriptor(b"abc"))


def test_what_refers_to_nothing_that_is_there_may_be_put_all_the_same() -> None:
    registry = MemoryRegistry(keeps_referrers=False)
    sbom = artifact(BUILT)
    with served(registry), client() as it:
        name = f"{registry.address}/a"
        it.write_blob(name, descriptor(b"{}"), opening(b"{}"))
        it.put_image(f"{name}@{sbom.digest}", sbom.image)
        assert it.get_referrers(f"{name}@{BUILT.digest}") == [sbom.image.referrer]


@pytest.mark.parametrize("ask", ["get_tags", "delete_tag", "check_push", "get_referrers"])
def test_a_layout_is_not_asked_over_the_network(ask: str) -> None:
    with client() as it, pytest.raises(UnrecognizedRegistryError, match="in a layout on disk"):
        getattr(it, ask)("oci-layout:a:1")
