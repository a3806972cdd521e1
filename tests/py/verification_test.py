"""Bytes that are checked while they pass through: whoever gets the last of them got the right ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from built_images import descriptor
from hypothesis import given
from hypothesis import strategies as st
from registry_client import verification
from registry_client.errors import DigestMismatchError
from registry_client.verification import VerifiedBlob

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CHECKPOINT = verification._CHECKPOINT_SIZE  # noqa: SLF001 - a blob that has some must be larger
CUTS = st.lists(st.integers(1, 9), max_size=20)


def taken(chunks: Iterator[bytes | memoryview], into: bytearray) -> None:
    """Take all bytes that come."""
    for chunk in chunks:
        into += chunk


def in_parts(data: bytes, sizes: list[int]) -> Callable[[int], Iterator[bytes]]:
    """Opens some bytes, which come in parts of these sizes, and the rest in one."""

    def source(offset: int) -> Iterator[bytes]:
        rest = data[offset:]
        for size in sizes:
            yield rest[:size]
            rest = rest[size:]
        yield rest

    return source


@given(st.binary(max_size=60), CUTS, st.integers(0, 60), st.sampled_from(["sha256", "sha512"]))
def test_the_bytes_from_any_offset_on_are_handed_on_in_whatever_parts_they_come(
    data: bytes, sizes: list[int], offset: int, algorithm: str
) -> None:
    offset = min(offset, len(data))
    moved: list[int] = []
    blob = VerifiedBlob(descriptor(data, algorithm=algorithm), in_parts(data, sizes), "a")
    assert b"".join(blob.chunks(offset, moved.append)) == data[offset:]
    assert sum(moved) == len(data) - offset


@given(st.binary(min_size=1, max_size=60), CUTS, st.data())
def test_of_bytes_that_were_changed_the_last_part_is_never_handed_on(
    data: bytes, sizes: list[int], draw: st.DataObject
) -> None:
    at = draw.draw(st.integers(0, len(data) - 1))
    changed = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    offset = draw.draw(st.integers(0, len(data) - 1))
    got = bytearray()
    blob = VerifiedBlob(descriptor(data), in_parts(changed, sizes), "a")
    with pytest.raises(DigestMismatchError, match=r"^a: the blob sha256:.* came as .* bytes with sha256:"):
        taken(blob.chunks(offset, lambda _: None), got)
    assert len(got) < len(data) - offset


@given(st.binary(min_size=1, max_size=60), CUTS, st.integers(1, 5))
def test_of_too_few_or_too_many_bytes_the_whole_blob_never_comes(data: bytes, sizes: list[int], more: int) -> None:
    for other in (data[:-1], data + data[:1] * more):
        got = bytearray()
        blob = VerifiedBlob(descriptor(data), in_parts(other, sizes), "a")
        with pytest.raises(DigestMismatchError):
            taken(blob.chunks(0, lambda _: None), got)
        assert len(got) < len(data)


def test_a_blob_without_end_is_cut_off_at_its_size() -> None:
    taken = []

    def endless(_offset: int) -> Iterator[bytes]:
        while True:
            taken.append(1)
            yield b"x" * 10

    blob = VerifiedBlob(descriptor(b"x" * 25), endless, "a")
    with pytest.raises(DigestMismatchError, match="has more than the 25 bytes that its manifest states"):
        list(blob.chunks(0, lambda _: None))
    assert len(taken) == 3


def test_a_large_blob_is_read_again_from_the_nearest_checkpoint_on_only() -> None:
    data = bytes(1024 * 1024) * 40
    opened = []

    def source(offset: int) -> Iterator[bytes]:
        opened.append(offset)
        return (data[at : at + 1024 * 1024] for at in range(offset, len(data), 1024 * 1024))

    blob = VerifiedBlob(descriptor(data), source, "a")
    assert sum(map(len, blob.chunks(0, lambda _: None))) == len(data)
    assert sum(map(len, blob.chunks(CHECKPOINT + 7, lambda _: None))) == len(data) - CHECKPOINT - 7
    assert sum(map(len, blob.chunks(5, lambda _: None))) == len(data) - 5
    assert sum(map(len, blob.chunks(len(data), lambda _: None))) == 0
    assert opened == [0, CHECKPOINT, 0, 2 * CHECKPOINT]


def test_what_went_wrong_before_a_checkpoint_is_found_after_it() -> None:
    data = bytes(CHECKPOINT) + b"end"
    parts = iter([[b"!" * CHECKPOINT, b"end"], [b"end"]])
    blob = VerifiedBlob(descriptor(data), lambda _offset: iter(next(parts)), "a")
    for offset in (0, CHECKPOINT):
        with pytest.raises(DigestMismatchError):
            list(blob.chunks(offset, lambda _: None))
