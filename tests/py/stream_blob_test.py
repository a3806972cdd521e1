"""Blobs that are read into buffers which take turns: all of them arrive, and so does what goes wrong."""

from __future__ import annotations

import pytest
from built_images import client, descriptor
from faults import FaultyRegistry, Reply, serving
from registry_client.errors import RegistryUnreachableError

# More than three buffers full, so that each is used again.
DATA = bytes(range(251)) * 7000
BLOB = descriptor(DATA)


def streamed(registry: FaultyRegistry, offset: int = 0) -> bytes:
    """Take each part as it comes, as a view is good no longer."""
    got = bytearray()
    with client() as it:
        for part in it.stream_blob(f"{registry.address}/a", BLOB, offset):
            got += part
    return bytes(got)


def chunked(data: bytes) -> bytes:
    """A body in chunks (RFC 9112, section 7.1)."""
    parts = [data[at : at + 300_000] for at in range(0, len(data), 300_000)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in [*parts, b""])


@pytest.mark.parametrize("offset", [0, 1, 600_000, len(DATA) - 1])
def test_all_bytes_from_an_offset_on_arrive(offset: int) -> None:
    with serving(Reply(200, {}, DATA)) as registry:
        assert streamed(registry, offset) == DATA[offset:]


def test_a_body_in_chunks_arrives() -> None:
    with serving(Reply(200, {"Transfer-Encoding": "chunked", "Connection": "close"}, chunked(DATA))) as registry:
        assert streamed(registry) == DATA


def test_the_connection_is_used_again() -> None:
    with serving(Reply(200, {}, DATA)) as registry, client() as it:
        for _ in range(3):
            assert sum(map(len, it.stream_blob(f"{registry.address}/a", BLOB))) == len(DATA)
    assert len(registry.clients) == 1


@pytest.mark.parametrize("at", [0, 10, 700_000])
def test_after_a_dropped_line_it_goes_on_where_it_was(at: int) -> None:
    dropped = Reply(200, {"Content-Length": str(len(DATA)), "Connection": "close"}, DATA[:at])
    content_range = {"Content-Range": f"bytes {at}-{len(DATA) - 1}/{len(DATA)}"} if at else {}
    with serving(dropped, Reply(206 if at else 200, content_range, DATA[at:])) as registry:
        assert streamed(registry) == DATA
    assert f"bytes={at}-" in registry.headers[1] or not at


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (
            Reply(200, {"Content-Length": str(len(DATA)), "Connection": "close"}, DATA[:700_000]),
            f"the connection broke after 700000 bytes, {len(DATA) - 700_000} before the end",
        ),
        (Reply(200, {"Transfer-Encoding": "chunked", "Connection": "close"}, chunked(DATA)[:1000]), "does not answer"),
    ],
)
def test_a_line_that_drops_each_time_is_an_error(reply: Reply, said: str) -> None:
    with serving(reply) as registry, pytest.raises(RegistryUnreachableError, match=said):
        streamed(registry)


def test_bytes_that_do_not_come_in_time_are_an_error() -> None:
    late = Reply(200, {"Content-Length": str(len(DATA))}, DATA[:1000])
    with serving(late) as registry, pytest.raises(RegistryUnreachableError, match="within the time limit"):
        streamed(registry)
