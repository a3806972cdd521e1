"""Blobs that are read as streams: bodies that end too early, and odd answers to requests for a range."""

from __future__ import annotations

import pytest
from faults import Reply, serving
from registry_client import Client, ClientOptions, TransportOptions
from registry_client.descriptor import OCI_LAYER, Descriptor, digest_of
from registry_client.errors import BadRegistryResponseError, RegistryUnreachableError

DATA = bytes(range(256)) * 4
BLOB = Descriptor(media_type=OCI_LAYER, digest=digest_of(DATA), size=len(DATA))


def client() -> Client:
    transport = TransportOptions(connect_timeout=2, read_timeout=2, retries=2, backoff=0.01)
    return Client(options=ClientOptions(transport=transport))


def closing_after(body: bytes) -> Reply:
    """An answer whose end is where the connection ends."""
    return Reply(200, {"Connection": "close"}, body)


@pytest.mark.parametrize(
    "rest", [Reply(206, {"Content-Range": "bytes 300-1023/1024"}, DATA[300:]), Reply(200, {}, DATA)]
)
def test_a_blob_that_ends_early_is_read_on(rest: Reply) -> None:
    with serving(closing_after(DATA[:300]), rest) as registry, client() as it:
        assert b"".join(it.read_blob(f"{registry.address}/a", BLOB)) == DATA
    assert "Range: bytes=300-" in registry.headers[1]


@pytest.mark.parametrize("start", ["9" * 5000, "", "x"])
def test_a_range_that_cannot_be_read_counts_as_the_one_that_was_asked_for(start: str) -> None:
    rest = Reply(206, {"Content-Range": f"bytes {start}-1023/1024"}, DATA[300:])
    with serving(closing_after(DATA[:300]), rest) as registry, client() as it:
        assert b"".join(it.read_blob(f"{registry.address}/a", BLOB)) == DATA


def test_an_answer_from_a_later_byte_on_is_a_bad_one() -> None:
    rest = Reply(206, {"Content-Range": "bytes 301-1023/1024"}, DATA[301:])
    with serving(closing_after(DATA[:300]), rest) as registry, client() as it:
        read = it.read_blob(f"{registry.address}/a", BLOB)
        assert next(read) == DATA[:300]
        with pytest.raises(BadRegistryResponseError, match="from another byte on than 300"):
            next(read)


def test_a_blob_of_which_nothing_more_comes_is_given_up() -> None:
    said = f"sent 300 of the 1024 bytes of {BLOB.digest}, and no more"
    with serving(closing_after(DATA[:300])) as registry, client() as it:
        read = it.read_blob(f"{registry.address}/a", BLOB)
        assert next(read) == DATA[:300]
        with pytest.raises(RegistryUnreachableError, match=said):
            next(read)
    assert len(registry.seen) == 3


def test_a_blob_that_is_shorter_than_it_should_be_is_got_once() -> None:
    with serving(Reply(200, {}, DATA[:300])) as registry, client() as it:
        assert b"".join(it.read_blob(f"{registry.address}/a", BLOB)) == DATA[:300]
    assert len(registry.seen) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_an_upload_that_the_registry_redirects_is_not_followed(status: int) -> None:
    started, moved = Reply(202, {"Location": "/upload"}), Reply(status, {"Location": "/elsewhere"})
    said = "redirects the upload, which is not followed"
    with serving(started, moved) as registry, client() as it, pytest.raises(BadRegistryResponseError, match=said):
        it.write_blob(f"{registry.address}/a", BLOB, lambda offset: iter([DATA[offset:]]))
    assert len(registry.seen) == 2


def test_a_rest_that_is_refused_is_an_error() -> None:
    with serving(closing_after(DATA[:300]), Reply(416)) as registry, client() as it:
        read = it.read_blob(f"{registry.address}/a", BLOB)
        assert next(read) == DATA[:300]
        with pytest.raises(BadRegistryResponseError, match=r"does not go on with .* after byte 300 of 1024: HTTP 416"):
            next(read)
