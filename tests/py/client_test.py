"""The client, with a registry that misbehaves; how it does with real ones is in the integration tests."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest
from faults import Reply, serving
from registry_client import Client, ClientOptions, TransportOptions
from registry_client.descriptor import OCI_MANIFEST, digest_of
from registry_client.errors import (
    BadRegistryResponseError,
    DigestMismatchError,
    InvalidTagError,
    RegistryError,
    RegistryUnreachableError,
    UnrecognizedRegistryError,
    is_manifest_unknown,
)
from registry_client.manifest import MAX_MANIFEST_SIZE, Image

if TYPE_CHECKING:
    from collections.abc import Iterator

MANIFEST = b'{"schemaVersion": 2, "config": {}}'
DIGEST = digest_of(MANIFEST)
GOOD = Reply(200, {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": DIGEST}, MANIFEST)
UNKNOWN = b'{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown", "detail": 1}]}'


@pytest.fixture
def client() -> Iterator[Client]:
    """A client with little patience."""
    options = TransportOptions(connect_timeout=2, read_timeout=2, retries=2, backoff=0.01)
    with Client(options=ClientOptions(transport=options)) as client:
        yield client


def test_resolving_is_one_head(client: Client) -> None:
    with serving(GOOD) as registry:
        descriptor = client.resolve(f"{registry.address}/a:1")
    assert (descriptor.digest, descriptor.size, descriptor.media_type) == (DIGEST, len(MANIFEST), OCI_MANIFEST)
    assert registry.seen == ["HEAD /v2/a/manifests/1"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": OCI_MANIFEST},
        {"Content-Type": "text/plain", "Docker-Content-Digest": DIGEST},
        {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": "nonsense"},
    ],
)
def test_a_head_that_says_too_little_is_followed_by_a_get(client: Client, headers: dict[str, str]) -> None:
    with serving(Reply(200, headers), GOOD) as registry:
        assert client.resolve(f"{registry.address}/a:1").digest == DIGEST
    assert registry.seen == ["HEAD /v2/a/manifests/1", "GET /v2/a/manifests/1"]


def test_a_media_type_may_have_parameters(client: Client) -> None:
    reply = Reply(200, {"Content-Type": f"{OCI_MANIFEST}; charset=utf-8", "Docker-Content-Digest": DIGEST}, MANIFEST)
    with serving(reply) as registry:
        assert client.resolve(f"{registry.address}/a:1").media_type == OCI_MANIFEST
        assert client.get_image(f"{registry.address}/a:1").media_type == OCI_MANIFEST


def test_a_manifest_without_a_type_of_its_own_is_known_by_its_content(client: Client) -> None:
    with serving(Reply(200, {}, MANIFEST)) as registry:
        assert client.get_image(f"{registry.address}/a:1").media_type == OCI_MANIFEST


def test_bytes_with_another_digest_than_the_one_asked_for_are_refused(client: Client) -> None:
    with serving(Reply(200, {"Content-Type": OCI_MANIFEST}, b"{}")) as registry, pytest.raises(DigestMismatchError):
        client.get_image(f"{registry.address}/a@{DIGEST}")


def test_bytes_with_another_digest_than_the_stated_one_are_refused(client: Client) -> None:
    with serving(GOOD._replace(body=b"{}")) as registry, pytest.raises(DigestMismatchError):
        client.get_image(f"{registry.address}/a:1")


def test_another_digest_than_the_one_asked_for_is_refused_by_its_header_alone(client: Client) -> None:
    with serving(GOOD) as registry, pytest.raises(BadRegistryResponseError, match="answers with sha256:"):
        client.resolve(f"{registry.address}/a@sha256:{'0' * 64}")


def test_schema_1_is_refused_by_name(client: Client) -> None:
    body = b'{"schemaVersion": 1}'
    with serving(Reply(200, {}, body)) as registry, pytest.raises(BadRegistryResponseError, match="schema 1"):
        client.get_image(f"{registry.address}/a:1")


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"{}", b"\xff"])
def test_what_is_no_manifest_is_refused(client: Client, body: bytes) -> None:
    with serving(Reply(200, {}, body)) as registry, pytest.raises(BadRegistryResponseError):
        client.get_image(f"{registry.address}/a:1")


def test_a_manifest_that_is_too_large_is_refused(client: Client) -> None:
    reply = Reply(200, {}, bytes(MAX_MANIFEST_SIZE + 1))
    with serving(reply) as registry, pytest.raises(BadRegistryResponseError, match="larger than"):
        client.get_image(f"{registry.address}/a:1")


def test_what_the_registry_says_is_in_the_error(client: Client) -> None:
    with serving(Reply(404, {}, UNKNOWN)) as registry, pytest.raises(RegistryError) as raised:
        client.get_image(f"{registry.address}/a:1")
    error = raised.value
    assert error.status_code == 404
    assert [(inner.code, inner.message, inner.detail) for inner in error.errors] == [
        ("MANIFEST_UNKNOWN", "manifest unknown", 1)
    ]
    url = f"http://{registry.address}/v2/a/manifests/1"
    assert str(error) == f"HTTP 404 - MANIFEST_UNKNOWN: manifest unknown (GET {url})"
    assert is_manifest_unknown(error)


def test_an_error_that_wraps_the_registrys_is_manifest_unknown_too(client: Client) -> None:
    with serving(Reply(404, {}, UNKNOWN)) as registry, pytest.raises(RegistryError) as raised:
        client.get_image(f"{registry.address}/a:1")
    wrapped = RuntimeError("wrapped")
    wrapped.__cause__ = raised.value
    assert is_manifest_unknown(wrapped)
    assert not is_manifest_unknown(None)
    assert not is_manifest_unknown(RegistryError(500))


@pytest.mark.parametrize("body", [b"<html>no</html>", b'{"error": 1}', b'{"errors": 1}', b'{"errors": [1]}', b"\xff"])
def test_an_error_page_of_any_kind_is_kept_as_it_is(client: Client, body: bytes) -> None:
    with serving(Reply(500, {}, body)) as registry, pytest.raises(RegistryError) as raised:
        client.get_image(f"{registry.address}/a:1")
    assert raised.value.errors == ()
    assert raised.value.raw_error == body.decode(errors="replace")


def test_an_error_body_is_read_to_a_limit_only(client: Client) -> None:
    with serving(Reply(500, {}, b"x" * 100_000)) as registry, pytest.raises(RegistryError) as raised:
        client.get_image(f"{registry.address}/a:1")
    assert len(raised.value.raw_error) == 8 * 1024


def test_an_answer_that_asks_for_patience_is_waited_for(client: Client) -> None:
    with serving(Reply(429, {"Retry-After": "0"}), Reply(503), GOOD) as registry:
        assert client.resolve(f"{registry.address}/a:1").digest == DIGEST
    assert registry.seen == ["HEAD /v2/a/manifests/1"] * 3


def test_patience_has_an_end(client: Client) -> None:
    with serving(Reply(503)) as registry, pytest.raises(RegistryError) as raised:
        client.resolve(f"{registry.address}/a:1")
    assert raised.value.status_code == 503
    assert registry.seen == ["HEAD /v2/a/manifests/1"] * 3


def test_a_registry_that_is_not_there_is_named(client: Client) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with pytest.raises(RegistryUnreachableError, match=f"^{address} does not answer: .*refused"):
            client.resolve(f"{address}/a:1")


def test_a_registry_that_says_nothing_is_given_up(client: Client) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with pytest.raises(RegistryUnreachableError, match="does not answer"):
            client.resolve(f"{address}/a:1")


def test_a_body_that_breaks_off_is_no_manifest(client: Client) -> None:
    reply = GOOD._replace(headers={**GOOD.headers, "Content-Length": "1000", "Connection": "close"})
    with serving(reply) as registry, pytest.raises((RegistryUnreachableError, BadRegistryResponseError)):
        client.get_image(f"{registry.address}/a:1")


def test_a_token_is_not_fetched_over_http_from_elsewhere(client: Client) -> None:
    reply = Reply(401, {"WWW-Authenticate": 'Bearer realm="http://registry.example/token"'})
    with serving(reply) as registry, pytest.raises(BadRegistryResponseError, match="not https"):
        client.resolve(f"{registry.address}/a:1")


def test_a_401_without_a_challenge_that_is_known_is_an_error(client: Client) -> None:
    with serving(Reply(401, {"WWW-Authenticate": 'Basic realm="a"'})) as registry, pytest.raises(RegistryError):
        client.resolve(f"{registry.address}/a:1")
    assert len(registry.seen) == 1


@pytest.mark.parametrize("body", [b"{}", b"<html>", b'{"token": "t", "expires_in": "soon"}'])
def test_a_token_server_that_gives_no_token_is_named(client: Client, body: bytes) -> None:
    with serving(Reply(200, {}, body)) as tokens:
        challenge = f'Bearer realm="http://{tokens.address}/token"'
        refusal = pytest.raises(BadRegistryResponseError, match="did not answer with a token")
        with serving(Reply(401, {"WWW-Authenticate": challenge})) as registry, refusal:
            client.resolve(f"{registry.address}/a:1")


def test_a_token_is_not_taken_along_to_another_origin(client: Client) -> None:
    with serving(Reply(200, {}, b'{"token": "secret"}')) as tokens, serving(GOOD) as other:
        challenge = Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/token",service="s"'})
        away = Reply(307, {"Location": f"http://{other.address}/v2/a/manifests/1"})
        with serving(challenge, away) as registry:
            assert client.resolve(f"{registry.address}/a:1").digest == DIGEST
        assert tokens.seen == ["GET /token?service=s&scope=repository%3Aa%3Apull"]
        assert "secret" not in "".join(other.headers)


def test_a_put_that_is_filed_under_another_digest_is_an_error(client: Client) -> None:
    reply = Reply(201, {"Docker-Content-Digest": f"sha256:{'0' * 64}"})
    with serving(reply) as registry, pytest.raises(DigestMismatchError):
        client.put_image(f"{registry.address}/a:1", image_at(registry.address))


def test_tagging_puts_the_manifest_once(client: Client) -> None:
    with serving(Reply(201)) as registry:
        client.tag_image(image_at(registry.address), "prod")
    assert registry.seen == ["PUT /v2/a/manifests/prod"]


def test_a_tag_that_is_none_is_refused_before_anything_is_sent(client: Client) -> None:
    with pytest.raises(InvalidTagError):
        client.tag_image(image_at("127.0.0.1:1"), "-")


def test_a_layout_is_not_a_registry(client: Client) -> None:
    with pytest.raises(UnrecognizedRegistryError):
        client.resolve("oci-layout:dir:1")


def image_at(registry: str) -> Image:
    """An image of a registry."""
    return Image(registry=registry, repository="a", digest=DIGEST, media_type=OCI_MANIFEST, raw_manifest=MANIFEST)
