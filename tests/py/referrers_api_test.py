"""Lists of referrers: which registries keep them, and what counts as a list."""

from __future__ import annotations

import json

import pytest
from faults import Reply, serving
from registry_client import Client, ClientOptions, TransportOptions
from registry_client.descriptor import OCI_INDEX, OCI_MANIFEST, digest_of
from registry_client.errors import BadRegistryResponseError, RegistryError
from registry_client.manifest import Image

ABOUT = [digest_of(bytes([number])) for number in range(4)]
SIGNATURE = {"mediaType": OCI_MANIFEST, "digest": digest_of(b"signature"), "size": 9}
LIST = Reply(200, {"Content-Type": OCI_INDEX}, json.dumps({"schemaVersion": 2, "manifests": [SIGNATURE]}).encode())
NO_PAGE = Reply(404, {}, b"404 page not found")


def client() -> Client:
    transport = TransportOptions(connect_timeout=2, read_timeout=2, retries=1, backoff=0.01)
    return Client(options=ClientOptions(transport=transport))


def failure(status: int, code: str) -> Reply:
    return Reply(status, {}, json.dumps({"errors": [{"code": code}]}).encode())


@pytest.mark.parametrize("first", [failure(404, "NOT_FOUND"), failure(404, "NAME_UNKNOWN"), failure(400, "X"), NO_PAGE])
def test_one_repository_that_is_not_there_hides_no_signature_of_another(first: Reply) -> None:
    with serving(first, LIST) as registry, client() as it:
        assert it.get_referrers(f"{registry.address}/new@{ABOUT[0]}", tags=[]) == []
        [found] = it.get_referrers(f"{registry.address}/old@{ABOUT[0]}", tags=[])
    assert found.digest == SIGNATURE["digest"]


@pytest.mark.parametrize("first", [failure(404, "NOT_FOUND"), failure(400, "DIGEST_INVALID"), Reply(400)])
def test_one_image_that_is_not_there_hides_no_signature_of_another(first: Reply) -> None:
    with serving(first, LIST) as registry, client() as it:
        assert it.get_referrers(f"{registry.address}/a@{ABOUT[0]}", tags=[]) == []
        assert it.get_referrers(f"{registry.address}/a@{ABOUT[1]}", tags=[])


def test_a_host_that_has_once_given_a_list_is_asked_for_each() -> None:
    with serving(LIST, NO_PAGE, LIST) as registry, client() as it:
        assert it.get_referrers(f"{registry.address}/a@{ABOUT[0]}", tags=[])
        assert it.get_referrers(f"{registry.address}/a@{ABOUT[1]}", tags=[]) == []
        assert it.get_referrers(f"{registry.address}/a@{ABOUT[2]}", tags=[])


@pytest.mark.parametrize("answer", [NO_PAGE, Reply(405), failure(405, "UNSUPPORTED"), failure(404, "UNSUPPORTED")])
def test_a_repository_without_lists_is_asked_once(answer: Reply) -> None:
    with serving(answer) as registry, client() as it:
        for digest in ABOUT:
            assert it.get_referrers(f"{registry.address}/a@{digest}", tags=[]) == []
    assert registry.seen == [f"GET /v2/a/referrers/{ABOUT[0]}"]


def test_the_tag_with_the_list_is_looked_at_after_an_answer_about_one_image() -> None:
    with serving(failure(404, "NOT_FOUND"), LIST) as registry, client() as it:
        assert it.get_referrers(f"{registry.address}/a@{ABOUT[0]}")
    assert registry.seen[1] == f"GET /v2/a/manifests/{ABOUT[0].replace(':', '-')}"


def test_a_list_that_breaks_off_is_no_list() -> None:
    more = Reply(200, {"Link": "</v2/a/referrers/more>; rel=next"}, LIST.body)
    with serving(more, NO_PAGE) as registry, client() as it, pytest.raises(RegistryError, match="404"):
        it.get_referrers(f"{registry.address}/a@{ABOUT[0]}", tags=[])


@pytest.mark.parametrize("manifests", [5, {"a": 1}, ["x"], [5], [{"digest": "x"}]])
def test_what_is_no_list_of_referrers_is_a_bad_answer(manifests: object) -> None:
    odd = Reply(200, {"Content-Type": OCI_INDEX}, json.dumps({"manifests": manifests}).encode())
    with serving(odd) as registry, client() as it, pytest.raises(BadRegistryResponseError):
        it.get_referrers(f"{registry.address}/a@{ABOUT[0]}")


@pytest.mark.parametrize("manifests", [5, {"a": 1}, ["x"], [5]])
def test_nothing_is_added_to_what_is_no_list_of_referrers(manifests: object) -> None:
    odd = Reply(200, {"Content-Type": OCI_INDEX}, json.dumps({"manifests": manifests}).encode())
    subject = {"mediaType": OCI_MANIFEST, "digest": ABOUT[0], "size": 1}
    data = json.dumps({"schemaVersion": 2, "config": SIGNATURE, "subject": subject}).encode()
    with serving(Reply(201), odd) as registry, client() as it:
        image = Image(
            registry=registry.address,
            repository="a",
            digest=digest_of(data),
            media_type=OCI_MANIFEST,
            raw_manifest=data,
        )
        with pytest.raises(BadRegistryResponseError):
            it.put_part(image.reference, image)
    assert len(registry.seen) == 2


def test_a_repository_is_asked_again_once_its_host_has_given_a_list() -> None:
    with serving(NO_PAGE, LIST, LIST) as registry, client() as it:
        assert it.get_referrers(f"{registry.address}/new@{ABOUT[0]}", tags=[]) == []
        assert it.get_referrers(f"{registry.address}/old@{ABOUT[0]}", tags=[])
        assert it.get_referrers(f"{registry.address}/new@{ABOUT[1]}", tags=[])
