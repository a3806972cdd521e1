"""Uploads of blobs that do not go well: what is sent again, from where on, and when it is given up."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from faults import FaultyRegistry, Reply, serving
from registry_client import Client, ClientOptions, Credential, RegistryError, TransportOptions
from registry_client.descriptor import OCI_LAYER, Descriptor, digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from registry_client.credentials import Target

DATA = bytes(range(256)) * 4
BLOB = Descriptor(media_type=OCI_LAYER, digest=digest_of(DATA), size=len(DATA))
FIRST, SECOND = "/v2/a/blobs/uploads/first", "/v2/a/blobs/uploads/second"
STARTED, STARTED_AGAIN = Reply(202, {"Location": FIRST}), Reply(202, {"Location": SECOND})
REFUSED = Reply(401, {"WWW-Authenticate": "Bearer realm=x"})
LACKS_IT, DONE = Reply(404), Reply(201)
UNKNOWN = Reply(404, {}, b'{"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}')


def arrived(count: int, **headers: str) -> Reply:
    return Reply(204, {"Range": f"0-{count - 1}"} | headers)


def source(offset: int) -> Iterator[bytes]:
    for start in range(offset, len(DATA), 100):
        yield DATA[start : start + 100]


def client() -> Client:
    transport = TransportOptions(connect_timeout=2, read_timeout=2, retries=2, backoff=0.01, max_retry_after=5)
    return Client(options=ClientOptions(transport=transport))


def upload(registry: FaultyRegistry, it: Client) -> list[tuple[str, bytes]]:
    """Upload the blob; gives place and body of each PUT."""
    it.write_blob(f"{registry.address}/a", BLOB, source)
    pairs = zip(registry.seen, registry.bodies, strict=True)
    return [(seen.removeprefix("PUT ").partition("?")[0], body) for seen, body in pairs if seen.startswith("PUT ")]


def content_ranges(registry: FaultyRegistry) -> list[str]:
    lines = [line for text in registry.headers for line in text.splitlines()]
    return [line.partition(": ")[2] for line in lines if line.startswith("Content-Range: ")]


@pytest.mark.parametrize("status", [429, 503])
def test_the_next_try_comes_when_the_registry_wants_it(status: int) -> None:
    busy = Reply(status, {"Retry-After": "1"})
    with serving(STARTED, busy, LACKS_IT, arrived(512), DONE) as registry, client() as it:
        started = time.monotonic()
        assert upload(registry, it) == [(FIRST, DATA), (FIRST, DATA[512:])]
    assert 1 <= time.monotonic() - started < 2
    assert content_ranges(registry) == ["512-1023"]


def test_a_registry_that_wants_to_wait_too_long_is_not_asked_again() -> None:
    busy, said = Reply(429, {"Retry-After": "7"}), "it asks to wait 7 seconds, more than the limit of 5"
    with serving(STARTED, busy) as registry, client() as it, pytest.raises(RegistryError, match=said):
        upload(registry, it)
    assert len(registry.seen) == 2


def test_an_upload_goes_on_where_the_registry_has_moved_it_to() -> None:
    moved = arrived(100, Location=SECOND)
    with serving(STARTED, Reply(500), LACKS_IT, moved, DONE) as registry, client() as it:
        assert upload(registry, it) == [(FIRST, DATA), (SECOND, DATA[100:])]


@pytest.mark.parametrize("lost", [UNKNOWN, Reply(410)])
def test_a_session_that_the_registry_has_lost_is_begun_again(lost: Reply) -> None:
    with serving(STARTED, lost, LACKS_IT, lost, STARTED_AGAIN, DONE) as registry, client() as it:
        assert upload(registry, it) == [(FIRST, DATA), (SECOND, DATA)]
    assert content_ranges(registry) == []


def test_a_registry_that_loses_every_session_is_given_up() -> None:
    again = [STARTED, UNKNOWN, LACKS_IT, UNKNOWN]
    with serving(*again, *again, *again) as registry, client() as it, pytest.raises(RegistryError, match="404"):
        upload(registry, it)
    assert sum(seen.startswith("PUT ") for seen in registry.seen) == 3


def test_of_what_has_arrived_in_full_only_the_end_is_told() -> None:
    with serving(STARTED, Reply(500), LACKS_IT, arrived(len(DATA)), DONE) as registry, client() as it:
        assert upload(registry, it) == [(FIRST, DATA), (FIRST, b"")]
    assert content_ranges(registry) == []


@pytest.mark.parametrize("said", ["0-1024", "0-99999999", f"0-{'9' * 5000}", "5-6", "", "0-0"])
def test_a_range_that_cannot_be_begins_the_upload_again(said: str) -> None:
    status = Reply(204, {"Range": said})
    with serving(STARTED, Reply(500), LACKS_IT, status, STARTED_AGAIN, DONE) as registry, client() as it:
        assert upload(registry, it) == [(FIRST, DATA), (SECOND, DATA)]


class Keys:
    """A keychain whose credential is another one each time, as where tokens are short-lived."""

    def __init__(self) -> None:
        """Start with the first."""
        self.passwords = iter("0123456789")

    def find(self, _target: Target) -> Credential:
        return Credential(source="a test", registry_token=f"token-{next(self.passwords)}")


def sent_tokens(registry: FaultyRegistry, method: str) -> list[str]:
    pairs = zip(registry.seen, registry.headers, strict=True)
    lines = [line for seen, text in pairs if seen.startswith(method) for line in text.splitlines()]
    return [line.partition("Bearer ")[2] for line in lines if line.startswith("Authorization: ")]


def logged_in() -> Client:
    transport = TransportOptions(connect_timeout=2, read_timeout=2, retries=3, backoff=0.01)
    return Client(credentials=Keys(), options=ClientOptions(transport=transport))


def test_an_authorization_that_has_expired_meanwhile_is_renewed() -> None:
    replies = [REFUSED, STARTED, REFUSED, LACKS_IT, arrived(512), DONE]
    with serving(*replies) as registry, logged_in() as it:
        assert upload(registry, it) == [(FIRST, DATA), (FIRST, DATA[512:])]
    first, second = sent_tokens(registry, "PUT")
    assert first != second


def test_a_refusal_that_nothing_helps_against_ends_the_upload() -> None:
    replies = [STARTED, REFUSED, LACKS_IT, UNKNOWN, STARTED_AGAIN, REFUSED]
    with serving(*replies) as registry, logged_in() as it, pytest.raises(RegistryError, match="401"):
        upload(registry, it)
    assert sum(seen.startswith("PUT ") for seen in registry.seen) == 2


def test_a_host_that_an_upload_was_sent_on_to_has_no_say_in_what_the_registry_is_told() -> None:
    with serving(REFUSED) as storage, logged_in() as it:
        elsewhere = Reply(202, {"Location": f"http://{storage.address}/upload"})
        with serving(REFUSED, elsewhere, LACKS_IT, elsewhere) as registry:
            with pytest.raises(RegistryError, match="401"):
                upload(registry, it)
            assert set(sent_tokens(registry, "POST")) == {"token-0"}
        assert sent_tokens(storage, "") == []


@pytest.mark.parametrize("status", [401, 404, 410])
def test_a_blob_that_its_source_lacks_is_not_looked_for_again(status: int) -> None:
    with (
        serving(Reply(status)) as elsewhere,
        serving(STARTED) as registry,
        client() as it,
        pytest.raises(RegistryError, match=f"HTTP {status} .*GET http://{elsewhere.address}/v2/b/blobs/"),
    ):
        it.write_blob(
            f"{registry.address}/a", BLOB, lambda offset: it.read_blob(f"{elsewhere.address}/b", BLOB, offset)
        )
    assert len(elsewhere.seen) == 1
