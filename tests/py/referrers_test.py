"""What refers to an image on a registry, whether the registry or its clients keep the list."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from built_images import artifact, client, image
from faults import Reply, served, serving
from memory_registry import MemoryRegistry
from registry_client.descriptor import OCI_INDEX
from registry_client.errors import BadRegistryResponseError, RegistryError
from registry_client.reference import parse_reference
from registry_client.referrers import fallback_reference

if TYPE_CHECKING:
    from collections.abc import Iterator

    from built_images import Built
    from registry_client.manifest import Image

APP = image("app")
SBOM, OTHER = artifact(APP), artifact(APP, kind="application/vnd.example.other")
LISTED = f"GET /v2/app/referrers/{APP.digest}"
FALLBACK = f"GET /v2/app/manifests/{APP.stem}"


def page(*found: Built, link: str = "") -> Reply:
    entries = [each.image.referrer.to_json() for each in found]
    document = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}
    return Reply(200, {"Content-Type": OCI_INDEX} | ({"Link": link} if link else {}), json.dumps(document).encode())


@pytest.fixture
def old() -> Iterator[MemoryRegistry]:
    """A registry that does not keep the list."""
    registry = MemoryRegistry(keeps_referrers=False)
    registry.add("app", APP, "1")
    for data in (*SBOM.blobs, *OTHER.blobs):
        registry.add("app", artifact(None, (data, "text/plain", {})))
    with served(registry):
        yield registry


def test_the_registry_is_asked_for_its_list() -> None:
    with serving(page(SBOM, OTHER)) as registry, client() as it:
        found = it.get_referrers(f"{registry.address}/app@{APP.digest}")
    assert found == [SBOM.image.referrer, OTHER.image.referrer]
    assert [each.artifact_type for each in found] == ["application/vnd.example.sbom", "application/vnd.example.other"]
    assert found[0].annotations == {"kind": "application/vnd.example.sbom"}
    assert registry.seen == [LISTED]


@pytest.mark.parametrize(
    "link",
    [
        '</v2/app/next?n=2>; rel="next"',
        "<next?n=2>;rel=next",
        '<first>; rel="first", <next?n=2>; title="x"; rel="next"',
    ],
)
def test_a_list_of_several_pages_is_read_to_its_end(link: str) -> None:
    with serving(page(SBOM, link=link), page(OTHER)) as registry, client() as it:
        found = it.get_referrers(f"{registry.address}/app@{APP.digest}")
    assert [each.digest for each in found] == [SBOM.digest, OTHER.digest]
    assert registry.seen[1] in {"GET /v2/app/next?n=2", "GET /v2/app/referrers/next?n=2"}


@pytest.mark.parametrize("link", ['</v2/app/previous>; rel="prev"', "nonsense"])
def test_a_link_to_something_else_is_not_followed(link: str) -> None:
    with serving(page(SBOM, link=link)) as registry, client() as it:
        assert len(it.get_referrers(f"{registry.address}/app@{APP.digest}")) == 1
    assert len(registry.seen) == 1


@pytest.mark.parametrize(
    ("link", "complaint"),
    [
        ("<http://other.example/v2/app/next>; rel=next", "continues a list on another host"),
        ("<//[::1>; rel=next", "which is no URL"),
    ],
)
def test_a_link_to_another_host_is_refused(link: str, complaint: str) -> None:
    refused = pytest.raises(BadRegistryResponseError, match=complaint)
    with serving(page(SBOM, link=link)) as registry, client() as it, refused:
        it.get_referrers(f"{registry.address}/app@{APP.digest}")


def test_a_list_without_end_is_an_error() -> None:
    refused = pytest.raises(BadRegistryResponseError, match="more than 100 pages")
    with serving(page(SBOM, link="<?n=1>; rel=next")) as registry, client() as it, refused:
        it.get_referrers(f"{registry.address}/app@{APP.digest}")


@pytest.mark.parametrize("status", [404, 405])
def test_a_registry_without_the_list_is_asked_once_for_it_and_then_for_its_clients_list(status: int) -> None:
    with serving(Reply(status), page(SBOM)) as registry, client() as it:
        for _ in range(2):
            assert it.get_referrers(f"{registry.address}/app@{APP.digest}") == [SBOM.image.referrer]
    assert registry.seen == [LISTED, FALLBACK, FALLBACK]


def test_a_registry_that_does_not_know_the_repository_is_asked_for_the_next_one_too() -> None:
    unknown = Reply(404, {}, b'{"errors": [{"code": "NAME_UNKNOWN"}]}')
    with serving(unknown, Reply(404), page(SBOM)) as registry, client() as it:
        assert it.get_referrers(f"{registry.address}/app@{APP.digest}") == []
        assert it.get_referrers(f"{registry.address}/app@{APP.digest}") == [SBOM.image.referrer]
    assert registry.seen == [LISTED, FALLBACK, LISTED]


def test_who_knows_the_tags_does_not_ask_for_a_list_that_is_not_there() -> None:
    with serving(Reply(404), page(SBOM)) as registry, client() as it:
        assert it.get_referrers(f"{registry.address}/app@{APP.digest}", tags={"1"}) == []
        assert it.get_referrers(f"{registry.address}/app@{APP.digest}", tags={APP.stem}) == [SBOM.image.referrer]
    assert registry.seen == [LISTED, FALLBACK]


@pytest.mark.parametrize("replies", [[Reply(500)], [Reply(403)], [Reply(404), Reply(403)]])
def test_a_list_that_one_does_not_get_is_an_error(replies: list[Reply]) -> None:
    with serving(*replies) as registry, client() as it, pytest.raises(RegistryError):
        it.get_referrers(f"{registry.address}/app@{APP.digest}")


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"[]", b'{"manifests": 1}', b'{"manifests": [1]}', b'{"manifests": [{"digest": "a"}]}', b"[" * 99999],
)
def test_a_list_that_is_none_is_an_error(body: bytes) -> None:
    with serving(Reply(200, {}, body)) as registry, client() as it, pytest.raises(BadRegistryResponseError):
        it.get_referrers(f"{registry.address}/app@{APP.digest}")


def put(registry: MemoryRegistry, *found: Image) -> None:
    with client() as it:
        for each in found:
            it.put_image(f"{registry.address}/app@{each.digest}", each)


def test_what_refers_to_an_image_is_entered_into_the_list_that_the_registry_does_not_keep(old: MemoryRegistry) -> None:
    put(old, SBOM.image, OTHER.image, SBOM.image)
    with client() as it:
        found = it.get_referrers(f"{old.address}/app@{APP.digest}")
    assert found == [SBOM.image.referrer, OTHER.image.referrer]
    assert old.tags("app").keys() == {"1", APP.stem}


def test_what_others_have_entered_into_the_list_stays(old: MemoryRegistry) -> None:
    put(old, SBOM.image)
    put(old, OTHER.image)
    listed = json.loads(old.images["app", APP.stem].raw_manifest)
    assert [entry["digest"] for entry in listed["manifests"]] == [SBOM.digest, OTHER.digest]
    assert listed["mediaType"] == OCI_INDEX


def test_a_registry_that_keeps_the_list_is_left_alone_with_it() -> None:
    registry = MemoryRegistry()
    registry.add("app", APP)
    registry.add("app", SBOM)
    with served(registry):
        put(registry, SBOM.image)
    assert registry.writes() == [f"PUT /v2/app/manifests/{SBOM.digest}"]


def test_an_image_that_only_speaks_of_a_subject_is_in_no_list(old: MemoryRegistry) -> None:
    talker = image("talker", annotations={"subject": "none"})
    old.add("app", talker)
    put(old, talker.image)
    assert old.tags("app").keys() == {"1"}


@pytest.mark.parametrize("document", [b'{"manifests": 1}', b'{"manifests": ["a"]}'])
def test_a_list_that_cannot_be_read_is_not_overwritten(old: MemoryRegistry, document: bytes) -> None:
    old.faults[FALLBACK] = Reply(200, {"Content-Type": OCI_INDEX}, document)
    with pytest.raises(BadRegistryResponseError):
        put(old, SBOM.image)
    assert APP.stem not in old.tags("app")


def test_the_tag_of_a_list_is_no_longer_than_a_tag_may_be() -> None:
    subject = parse_reference(f"a.example/b@sha512:{'0' * 128}")
    assert fallback_reference(subject).tag == f"sha512-{'0' * 64}"
