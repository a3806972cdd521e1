"""A registry that sends for a token with one's credential: a real one, a token server, and how often both are asked."""

from __future__ import annotations

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from integration.images import push, single
from integration.servers import PASSWORD, USER, serve_distribution
from integration.token_server import ISSUER, SERVICE, TokenServer
from registry_client import Client, RegistryError
from registry_client.keychains import default_keychain

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_AUTH = """
auth:
  token: {{realm: "{realm}", service: "{service}", issuer: "{issuer}", rootcertbundle: "{bundle}"}}
"""
_REFRESH_TOKEN = "refresh-0123456789"  # noqa: S105 - of nobody
_PULL, _PUSH = "repository:team/app:pull", "repository:team/app:pull,push"
_ACCESS = re.compile(r'"(?P<method>[A-Z]+) (?P<path>/v2/\S*) HTTP/[0-9.]+" (?P<status>[0-9]{3}) ')
IMAGE = single("private")


@pytest.fixture
def tokens(tmp_path: Path) -> TokenServer:
    return TokenServer(tmp_path)


@pytest.fixture
def registry(tmp_path: Path, tokens: TokenServer) -> Iterator[str]:
    """A registry with an image, that wants tokens."""
    with serve_distribution(tmp_path) as address:
        push(address, "team/app", "1", IMAGE)
    with wanting_tokens(tmp_path, tokens) as address:
        yield address


def test_a_password_is_exchanged_for_tokens_to_pull_and_to_push(
    registry: str, tokens: TokenServer, tmp_path: Path
) -> None:
    tokens.login, tokens.is_private = f"{USER}:{PASSWORD}", True
    with logged_in(tmp_path, registry, username=USER, password=PASSWORD) as client:
        client.tag_image(client.get_image(f"{registry}/team/app:1"), "prod")
        assert client.resolve(f"{registry}/team/app:prod").digest == IMAGE.digest
    assert tokens.requests == [_PULL, _PUSH]
    assert tokens.methods == ["GET", "GET"]


def test_a_wrong_password_is_refused_by_the_token_server_and_not_told(
    registry: str, tokens: TokenServer, tmp_path: Path
) -> None:
    tokens.login = f"{USER}:{PASSWORD}"
    with (
        logged_in(tmp_path, registry, username=USER, password="wrong-horse-8") as client,  # noqa: S106 - of nobody
        pytest.raises(RegistryError) as raised,
    ):
        client.resolve(f"{registry}/team/app:1")
    assert raised.value.status_code == 401
    assert "wrong-horse-8" not in str(raised.value)
    assert tokens.requests == [_PULL]


def test_an_identity_token_is_exchanged_by_post(registry: str, tokens: TokenServer, tmp_path: Path) -> None:
    tokens.refresh_token, tokens.is_private = _REFRESH_TOKEN, True
    with logged_in(tmp_path, registry, identitytoken=_REFRESH_TOKEN) as client:
        client.tag_image(client.get_image(f"{registry}/team/app:1"), "prod")
        assert client.resolve(f"{registry}/team/app:prod").digest == IMAGE.digest
    assert tokens.requests == [_PULL, _PUSH]
    assert tokens.methods == ["POST", "POST"]


def test_an_identity_token_that_is_not_good_is_not_told(registry: str, tokens: TokenServer, tmp_path: Path) -> None:
    with (
        logged_in(tmp_path, registry, identitytoken=_REFRESH_TOKEN) as client,
        pytest.raises(RegistryError, match="HTTP 401") as raised,
    ):
        client.resolve(f"{registry}/team/app:1")
    assert _REFRESH_TOKEN not in str(raised.value)
    assert tokens.methods == ["POST"]


def test_a_registry_token_is_sent_as_it_is(registry: str, tokens: TokenServer, tmp_path: Path) -> None:
    token = tokens.token(_PUSH, may_push=True)
    with logged_in(tmp_path, registry, registrytoken=token) as client:
        client.tag_image(client.get_image(f"{registry}/team/app:1"), "prod")
        assert client.resolve(f"{registry}/team/app:prod").digest == IMAGE.digest
    assert tokens.requests == []


def test_a_broken_helper_is_reported_and_public_images_are_still_to_be_had(
    registry: str, tokens: TokenServer, tmp_path: Path
) -> None:
    (tmp_path / "config.json").write_text('{"credsStore": "is-not-there"}', encoding="utf-8")
    said: list[str] = []
    keychain = default_keychain({"DOCKER_CONFIG": str(tmp_path)}, report=said.append)
    with Client(credentials=keychain) as client:
        assert client.resolve(f"{registry}/team/app:1").digest == IMAGE.digest
    assert ["docker-credential-is-not-there" in text for text in said] == [True]
    assert tokens.requests == [_PULL]


def test_fifty_tags_take_one_refusal_a_token_for_each_repository_and_fifty_heads(
    tmp_path: Path, tokens: TokenServer
) -> None:
    repositories = [f"team/app{number}" for number in range(10)]
    with serve_distribution(tmp_path) as address:
        for repository in repositories:
            for tag in range(5):
                push(address, repository, str(tag), IMAGE)
    tokens.login, tokens.is_private = f"{USER}:{PASSWORD}", True
    with wanting_tokens(tmp_path, tokens) as address:
        references = [f"{address}/{repository}:{tag}" for repository in repositories for tag in range(5)]
        log = AccessLog(tmp_path / "log")
        with logged_in(tmp_path, address, username=USER, password=PASSWORD) as client, ThreadPoolExecutor(16) as pool:
            assert {found.digest for found in pool.map(client.resolve, references)} == {IMAGE.digest}
            cold, cold_tokens = log.new_requests(), len(tokens.requests)
            assert {found.digest for found in pool.map(client.resolve, references)} == {IMAGE.digest}
            warm, warm_tokens = log.new_requests(), len(tokens.requests) - cold_tokens
    print(f"cold: {cold} and {cold_tokens} tokens; warm: {warm} and {warm_tokens} tokens")  # noqa: T201 - the measure
    assert cold == {"HEAD 401": 1, "HEAD 200": 50}
    assert sorted(tokens.requests) == sorted(f"repository:{repository}:pull" for repository in repositories)
    assert (warm, warm_tokens) == ({"HEAD 200": 50}, 0)


class AccessLog:
    """The requests that a registry wrote down, since it was last looked."""

    def __init__(self, path: Path) -> None:
        """Leave out what is there already."""
        self._path = path
        self._seen = 0
        self.new_requests()

    def new_requests(self) -> dict[str, int]:
        """How many requests there were of each method and status."""
        time.sleep(0.2)  # a line comes after the answer
        text = self._path.read_text(encoding="utf-8", errors="replace")
        matches = list(_ACCESS.finditer(text, self._seen))
        self._seen = len(text)
        kinds = [f"{match['method']} {match['status']}" for match in matches]
        return {kind: kinds.count(kind) for kind in kinds}


@contextmanager
def wanting_tokens(folder: Path, tokens: TokenServer) -> Iterator[str]:
    """The registry of a folder, as one that wants tokens and writes down each request; gives its address."""
    with tokens.serving() as realm:
        auth = _AUTH.format(realm=realm, service=SERVICE, issuer=ISSUER, bundle=tokens.bundle)
        with serve_distribution(folder, auth, access_log=True) as address:
            yield address


@contextmanager
def logged_in(folder: Path, registry: str, **entry: str) -> Iterator[Client]:
    """A client with a credential in a configuration of Docker's; complaints about that are failures."""
    (folder / "config.json").write_text(json.dumps({"auths": {registry: entry}}), encoding="utf-8")
    with Client(credentials=default_keychain({"DOCKER_CONFIG": str(folder)}, report=pytest.fail)) as client:
        yield client
