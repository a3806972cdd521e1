"""A registry that wants a token of everybody, as Docker Hub and GitHub's do: a real one, and a token server."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from integration.images import push, single
from integration.servers import serve_distribution
from integration.token_server import ISSUER, SERVICE, TokenServer
from registry_client import Client, RegistryError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_AUTH = """
auth:
  token: {{realm: "{realm}", service: "{service}", issuer: "{issuer}", rootcertbundle: "{bundle}"}}
"""
IMAGES = {f"team/app{number}": single(str(number)) for number in range(3)}


@pytest.fixture
def tokens(tmp_path: Path) -> TokenServer:
    return TokenServer(tmp_path)


@pytest.fixture
def registry(tmp_path: Path, tokens: TokenServer) -> Iterator[str]:
    """A registry with three images, each with five tags, that now wants tokens."""
    with serve_distribution(tmp_path) as address:
        for repository, image in IMAGES.items():
            for tag in range(5):
                push(address, repository, str(tag), image)
    with tokens.serving() as realm:
        auth = _AUTH.format(realm=realm, service=SERVICE, issuer=ISSUER, bundle=tokens.bundle)
        with serve_distribution(tmp_path, auth) as address:
            yield address


def test_an_anonymous_token_is_got_and_the_image_resolved(registry: str, tokens: TokenServer) -> None:
    with Client() as client:
        assert client.resolve(f"{registry}/team/app1:1").digest == IMAGES["team/app1"].digest
    assert tokens.requests == ["repository:team/app1:pull"]


def test_there_is_one_token_a_repository_however_many_threads_ask(registry: str, tokens: TokenServer) -> None:
    references = [f"{registry}/{repository}:{tag}" for repository in IMAGES for tag in range(5)]
    with Client() as client, ThreadPoolExecutor(16) as pool:
        digests = [descriptor.digest for descriptor in pool.map(client.resolve, references)]
    assert digests == [image.digest for image in IMAGES.values() for _ in range(5)]
    assert sorted(tokens.requests) == sorted(f"repository:{repository}:pull" for repository in IMAGES)


def test_a_token_that_has_expired_is_renewed(registry: str, tokens: TokenServer) -> None:
    tokens.lifetime = 1
    with Client() as client:
        client.resolve(f"{registry}/team/app1:1")
        time.sleep(1)
        client.resolve(f"{registry}/team/app1:2")
    assert tokens.requests == ["repository:team/app1:pull"] * 2


def test_a_push_that_the_token_does_not_allow_is_refused_after_one_more_try(registry: str, tokens: TokenServer) -> None:
    with Client() as client:
        image = client.get_image(f"{registry}/team/app1:1")
        with pytest.raises(RegistryError) as raised:
            client.tag_image(image, "prod")
    assert raised.value.status_code == 401
    assert "Bearer" not in str(raised.value)
    assert tokens.requests == ["repository:team/app1:pull"] + ["repository:team/app1:pull,push"] * 2
