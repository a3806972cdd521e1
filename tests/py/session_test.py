"""Where a registry may send an upload, and what goes along there."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING

import pytest
from built_images import descriptor, opening
from faults import FaultyRegistry, Reply, serving
from registry_client import Client, ClientOptions, Credential, TransportOptions
from registry_client.errors import BadRegistryResponseError, RegistryError
from registry_client.messages import Answer
from registry_client.session import Session

if TYPE_CHECKING:
    from registry_client.credentials import Target

SECRET = "hunter2-s3cret"  # noqa: S105 - it opens nothing
BASIC = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()
DATA = b"some bytes"
BLOB = descriptor(DATA)
ASKED = Reply(401, {"WWW-Authenticate": 'Basic realm="a"'})


class Password:
    """A keychain with one password for all."""

    def find(self, _target: Target) -> Credential:
        return Credential(source="a test", username="me", password=SECRET)


def client() -> Client:
    transport = TransportOptions(connect_timeout=2, read_timeout=2, retries=0)
    return Client(credentials=Password(), options=ClientOptions(transport=transport))


def upload(registry: FaultyRegistry) -> None:
    with client() as it:
        it.write_blob(f"{registry.address}/a", BLOB, opening(DATA))


def checked(location: str | None, *, home: str = "https://registry.example", host: str = "registry.example") -> str:
    """What is made of a Location."""
    headers = {} if location is None else {"Location": location}
    request = f"POST {home}/v2/a/blobs/uploads/"
    return Session().check_location(Answer(status=202, headers=headers, body=b"", request=request, origin=home), host)


@pytest.mark.parametrize(
    ("location", "url"),
    [
        ("/v2/a/blobs/uploads/1?s=x", "https://registry.example/v2/a/blobs/uploads/1?s=x"),
        ("1?s=x", "https://registry.example/v2/a/blobs/uploads/1?s=x"),
        ("https://registry.example/1", "https://registry.example/1"),
        ("https://storage.example/1?signature=x", "https://storage.example/1?signature=x"),
        ("//storage.example/1", "https://storage.example/1"),
        ("http://registry.example/1", "https://registry.example/1"),
    ],
)
def test_an_upload_goes_where_the_registry_says(location: str, url: str) -> None:
    assert checked(location) == url


@pytest.mark.parametrize("location", [None, "", "ftp://registry.example/1", "https://me:secret@[::1", "http://["])
def test_a_place_that_is_none_is_refused(location: str | None) -> None:
    complaint = r"^registry\.example (gave no place to upload to: |refers to .* no URL)"
    with pytest.raises(BadRegistryResponseError, match=complaint) as raised:
        checked(location)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "location", ["http://storage.example/1?signature=secret", "http://me:secret@storage.example/1"]
)
def test_an_upload_does_not_go_over_http_to_elsewhere(location: str) -> None:
    with pytest.raises(BadRegistryResponseError, match=r"http://storage\.example/1, which is not https") as raised:
        checked(location)
    assert "secret" not in str(raised.value)


def test_a_registry_without_tls_may_send_an_upload_to_itself() -> None:
    assert checked("/1", home="http://localhost:5000", host="localhost:5000") == "http://localhost:5000/1"


def test_a_password_goes_along_to_the_registry_itself_only() -> None:
    with serving(Reply(201)) as storage:
        away = Reply(202, {"Location": f"http://{storage.address}/1"})
        with serving(ASKED, away) as registry:
            upload(registry)
        assert BASIC in registry.headers[1]
    assert storage.seen == [f"PUT /1?digest={BLOB.digest}"]
    assert "Authorization" not in storage.headers[0]


def test_a_password_goes_along_to_the_place_of_an_upload_on_the_registry() -> None:
    with serving(ASKED, Reply(202, {"Location": "/1"}), Reply(201)) as registry:
        upload(registry)
    assert BASIC in registry.headers[2]


def test_a_place_of_an_upload_that_asks_for_a_password_gets_none() -> None:
    with serving(ASKED) as storage:
        away = Reply(202, {"Location": f"http://{storage.address}/1"})
        with serving(ASKED, away) as registry, pytest.raises(RegistryError, match="HTTP 401"):
            upload(registry)
    assert len(storage.seen) == 1


def test_an_upload_that_is_redirected_is_not_sent_twice() -> None:
    moved = Reply(307, {"Location": "/2"})
    refused = pytest.raises(BadRegistryResponseError, match="redirects")
    with serving(Reply(202, {"Location": "/1"}), moved) as registry, refused:
        upload(registry)
    assert len(registry.seen) == 2


def test_a_redirect_to_what_is_no_address_is_an_error() -> None:
    refused = pytest.raises(BadRegistryResponseError, match=r'refers to "http://\[::1", which is no URL')
    with serving(Reply(307, {"Location": "http://[::1"})) as registry, client() as it, refused:
        it.resolve(f"{registry.address}/a:1")


def test_a_token_server_that_is_at_no_address_is_not_asked() -> None:
    ask = Reply(401, {"WWW-Authenticate": 'Bearer realm="https://[::1/token"'})
    refused = pytest.raises(BadRegistryResponseError, match="no URL")
    with serving(ask) as registry, client() as it, refused:
        it.resolve(f"{registry.address}/a:1")


def test_a_token_for_a_mount_may_read_the_other_repository() -> None:
    with serving(Reply(200, {}, b'{"token": "t0k3n"}')) as tokens:
        ask = Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/token",service="s"'})
        with serving(ask, Reply(201)) as registry, client() as it:
            assert it.mount_blob(f"{registry.address}/team/app", BLOB, "team/base") == ""
    wanted = "service=s&scope=repository%3Ateam%2Fapp%3Apull%2Cpush&scope=repository%3Ateam%2Fbase%3Apull"
    assert tokens.seen == [f"GET /token?{wanted}"]


def test_whether_one_may_push_is_asked_of_the_token_server_alone() -> None:
    with serving(Reply(200, {}, b'{"token": "t0k3n"}')) as tokens:
        ask = Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/token",service="s"'})
        with serving(ask, Reply(404)) as registry, client() as it:
            with pytest.raises(RegistryError):
                it.resolve(f"{registry.address}/a:1")
            before = len(registry.seen)
            it.check_push(f"{registry.address}/a:1")
            assert len(registry.seen) == before
    assert tokens.seen[-1].endswith("scope=repository%3Aa%3Apull%2Cpush")


def test_who_gets_no_token_to_push_may_not_push() -> None:
    refused = Reply(403, {}, b'{"errors": [{"code": "DENIED", "message": "for %s"}]}' % BASIC.encode())
    with serving(Reply(200, {}, b'{"token": "t0k3n"}'), refused) as tokens:
        ask = Reply(401, {"WWW-Authenticate": f'Bearer realm="http://{tokens.address}/token",service="s"'})
        with serving(ask, Reply(200)) as registry, client() as it:
            it.has_blob(f"{registry.address}/a", BLOB)
            with pytest.raises(RegistryError, match="DENIED") as raised:
                it.check_push(f"{registry.address}/a:1")
    assert BASIC not in str(raised.value)


def test_a_registry_that_asks_for_nothing_is_not_asked_whether_one_may_push() -> None:
    with serving(Reply(500)) as registry, client() as it:
        it.check_push(f"{registry.address}/a:1", ask=False)
    assert registry.seen == []
