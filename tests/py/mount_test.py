"""Mounts of blobs: what is asked for, and what is done where a registry does not do it."""

from __future__ import annotations

import json
from urllib.parse import parse_qs

import pytest
from faults import FaultyRegistry, Reply, serving
from registry_client import Client, ClientOptions, RegistryError, TransportOptions
from registry_client.descriptor import OCI_LAYER, Descriptor, digest_of

DATA = b"a layer"
BLOB = Descriptor(media_type=OCI_LAYER, digest=digest_of(DATA), size=len(DATA))
STARTED = Reply(202, {"Location": "/v2/a/blobs/uploads/first"})
TOKEN = Reply(200, {}, json.dumps({"token": "t0k3n", "expires_in": 300}).encode())


def client() -> Client:
    transport = TransportOptions(connect_timeout=2, read_timeout=2, retries=1, backoff=0.01)
    return Client(options=ClientOptions(transport=transport))


@pytest.mark.parametrize("status", [400, 403, 404, 405, 422])
def test_where_no_mount_is_to_be_had_the_blob_is_uploaded(status: int) -> None:
    refusal = Reply(status, {}, b'{"errors": [{"code": "UNSUPPORTED"}]}')
    with serving(refusal, STARTED, Reply(201)) as registry, client() as it:
        reference = f"{registry.address}/a"
        location = it.mount_blob(reference, BLOB, "b")
        it.write_blob(reference, BLOB, lambda offset: iter([DATA[offset:]]), location=location)
    methods = [seen.partition("?")[0] for seen in registry.seen]
    assert methods == ["POST /v2/a/blobs/uploads/", "POST /v2/a/blobs/uploads/", "PUT /v2/a/blobs/uploads/first"]
    assert "mount=" not in registry.seen[1]


@pytest.mark.parametrize("status", [401, 429, 500])
def test_what_is_wrong_with_more_than_mounts_is_an_error(status: int) -> None:
    with serving(Reply(status)) as registry, client() as it, pytest.raises(RegistryError, match=str(status)):
        it.mount_blob(f"{registry.address}/a", BLOB, "b")


def scopes_asked(tokens: FaultyRegistry) -> list[str]:
    return parse_qs(tokens.seen[-1].partition("?")[2])["scope"]


@pytest.mark.parametrize("more", ["", "repository:b:pull"])
def test_a_token_to_mount_opens_both_repositories_whatever_the_registry_says_that_it_wants(more: str) -> None:
    with serving(TOKEN) as tokens, client() as it:
        stated = f'scope="repository:a:pull,push {more}"'
        challenge = Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/token",{stated}'})
        with serving(challenge, Reply(201)) as registry:
            assert it.mount_blob(f"{registry.address}/a", BLOB, "b") == ""
        assert scopes_asked(tokens) == ["repository:a:pull,push", "repository:b:pull"]
