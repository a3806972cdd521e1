"""Whether one may push, found out before anything is written."""

from __future__ import annotations

import base64
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from faults import FaultyRegistry, Reply, serving
from registry_client import Client, ClientOptions, Credential, TransportOptions
from registry_client.access import may_push
from registry_client.descriptor import OCI_MANIFEST, digest_of
from registry_client.errors import CredentialError

if TYPE_CHECKING:
    from registry_client.credentials import Target

MANIFEST = b'{"schemaVersion": 2, "config": {}}'
GOOD = Reply(200, {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": digest_of(MANIFEST)}, MANIFEST)
WANTS_A_PASSWORD = Reply(401, {"WWW-Authenticate": 'Basic realm="x"'})
PASSWORD = Credential(source="a test", username="me", password="hunter2-s3cret")  # noqa: S106 - it opens nothing


class Keys:
    """A keychain with one credential for all."""

    def __init__(self, credential: Credential | None) -> None:
        """Give it the credential."""
        self._credential = credential

    def find(self, _target: Target) -> Credential | None:
        return self._credential


def client(credential: Credential | None = None) -> Client:
    transport = TransportOptions(connect_timeout=2, read_timeout=2, retries=1, backoff=0.01)
    return Client(credentials=Keys(credential), options=ClientOptions(transport=transport))


def web_token(claims: object) -> str:
    parts = ({"alg": "none"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + ".x"


def granted(token: str) -> Reply:
    return Reply(200, {}, json.dumps({"token": token, "expires_in": 300}).encode())


def wants_a_token(tokens: FaultyRegistry) -> Reply:
    return Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/token",service="x"'})


def access(name: str, *actions: str) -> dict[str, object]:
    return {"access": [{"type": "repository", "name": name, "actions": actions}]}


def test_nobody_may_push_where_a_password_is_asked_for_only_then() -> None:
    with serving(GOOD, WANTS_A_PASSWORD) as registry, client() as it:
        it.resolve(f"{registry.address}/a:1")
        with pytest.raises(CredentialError, match=f"no credential for {registry.address} that may push to a; log in"):
            it.check_push(f"{registry.address}/a:1")
    assert registry.seen == ["HEAD /v2/a/manifests/1", "GET /v2/"]


def test_a_password_suffices_and_is_not_sent_to_be_looked_at() -> None:
    with serving(GOOD, WANTS_A_PASSWORD) as registry, client(PASSWORD) as it:
        it.resolve(f"{registry.address}/a:1")
        it.check_push(f"{registry.address}/a:1")
        it.check_push(f"{registry.address}/b:1")
    assert registry.seen == ["HEAD /v2/a/manifests/1", "GET /v2/"]
    assert not any("Authorization" in headers for headers in registry.headers)


@pytest.mark.parametrize("claims", [access("a", "pull"), access("b", "pull", "push"), {"access": []}])
def test_a_token_that_says_that_it_does_not_open_the_repository_is_believed(claims: object) -> None:
    with serving(granted(web_token(claims))) as tokens, serving(GOOD, wants_a_token(tokens)) as registry:
        with client() as it:
            it.resolve(f"{registry.address}/a:1")
            with pytest.raises(CredentialError, match="that may push to a;"):
                it.check_push(f"{registry.address}/a:1")
        [asked] = tokens.seen
    assert "repository%3Aa%3Apull%2Cpush" in asked


@pytest.mark.parametrize("token", ["opaque-token", web_token(access("a", "pull", "push")), web_token({"sub": "me"})])
def test_any_other_token_may_open_the_repository(token: str) -> None:
    with serving(granted(token)) as tokens, serving(GOOD, wants_a_token(tokens)) as registry, client() as it:
        it.resolve(f"{registry.address}/a:1")
        it.check_push(f"{registry.address}/a:1")


def test_where_a_challenge_is_known_no_more_is_asked_of_the_registry() -> None:
    with (
        serving(granted("opaque-token")) as tokens,
        serving(wants_a_token(tokens), GOOD) as registry,
        client() as it,
    ):
        it.resolve(f"{registry.address}/a:1")
        it.check_push(f"{registry.address}/a:1")
    assert registry.seen == ["HEAD /v2/a/manifests/1"] * 2


@pytest.mark.parametrize("base", [Reply(200), Reply(404), Reply(500), Reply(200, {}, b"x" * 300_000)])
def test_a_registry_that_asks_for_nothing_is_asked_once_however_many_want_to_push(base: Reply) -> None:
    with serving(GOOD, base) as registry, client() as it, ThreadPoolExecutor(8) as pool:
        it.resolve(f"{registry.address}/a:1")
        list(pool.map(lambda number: it.check_push(f"{registry.address}/a{number}:1"), range(20)))
    assert registry.seen == ["HEAD /v2/a/manifests/1", "GET /v2/"]


def test_a_registry_that_nobody_has_talked_to_is_asked_over_what_it_speaks() -> None:
    with serving(WANTS_A_PASSWORD) as registry, client() as it:
        with pytest.raises(CredentialError):
            it.check_push(f"{registry.address}/a:1")
        with pytest.raises(CredentialError):
            it.check_push(f"{registry.address}/b:1")
    assert registry.seen == ["GET /v2/"]


@pytest.mark.parametrize(
    "token",
    [
        "",
        "a.b",
        "a.%.c",
        "a.W10.c",
        web_token({"access": None}),
        web_token({"access": [5]}),
        web_token({"access": [{"Type": "repository", "Name": "b", "Actions": ["pull"]}]}),
        web_token(access("a", "*")),
        web_token(access("*", "push")),
    ],
)
def test_what_does_not_say_no_counts_as_yes(token: str) -> None:
    assert may_push(token, "a")
