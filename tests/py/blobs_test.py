"""Blobs on a registry that drops lines, forgets uploads, and sends them where they must not go."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from built_images import client, descriptor
from faults import HANG_UP, FaultyRegistry, Reply, serving
from registry_client.errors import (
    BadRegistryResponseError,
    DigestMismatchError,
    LayoutLacksImageError,
    RegistryError,
    RegistryUnreachableError,
)
from registry_client.layout import LayoutStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DATA = bytes(range(200))
BLOB = descriptor(DATA)
PATH = f"/v2/a/blobs/{BLOB.digest}"
STARTED = Reply(202, {"Location": "/upload/1?state=x"})
PUT = f"PUT /upload/1?state=x&digest={BLOB.digest}"
STORED = Reply(201)
ABSENT = Reply(404)


def source(data: bytes = DATA) -> Callable[[int], Iterator[bytes]]:
    """Opens some bytes, which come in parts of 64."""
    return lambda offset: (data[at : at + 64] for at in range(offset, len(data), 64))


def read(registry: FaultyRegistry, offset: int = 0) -> bytes:
    with client() as it:
        return b"".join(it.read_blob(f"{registry.address}/a", BLOB, offset))


def write(registry: FaultyRegistry, data: bytes = DATA, *, location: str = "") -> list[int]:
    moved: list[int] = []
    with client() as it:
        it.write_blob(f"{registry.address}/a", BLOB, source(data), moved.append, location=location)
    return moved


def ranges(registry: FaultyRegistry, name: str = "Range") -> list[str]:
    """A header of each request."""
    return [
        next((line.partition(": ")[2] for line in headers.splitlines() if line.startswith(f"{name}: ")), "")
        for headers in registry.headers
    ]


def broken_off(at: int, start: int = 0) -> Reply:
    """The blob from a byte on, but the line drops before its end."""
    headers = {"Content-Length": str(len(DATA) - start), "Connection": "close"}
    if start:
        headers["Content-Range"] = f"bytes {start}-{len(DATA) - 1}/{len(DATA)}"
    return Reply(206 if start else 200, headers, DATA[start:at])


def test_a_blob_is_looked_for_by_head() -> None:
    with serving(Reply(200), ABSENT, Reply(500)) as registry, client() as it:
        assert it.has_blob(f"{registry.address}/a", BLOB)
        assert not it.has_blob(f"{registry.address}/a", BLOB)
        with pytest.raises(RegistryError, match="HTTP 500"):
            it.has_blob(f"{registry.address}/a", BLOB)
    assert registry.seen == [f"HEAD {PATH}"] * 3


def test_a_blob_is_read_by_one_get() -> None:
    with serving(Reply(200, {}, DATA)) as registry:
        assert read(registry) == DATA
    assert registry.seen == [f"GET {PATH}"]


def test_a_blob_without_bytes_is_not_asked_for() -> None:
    with serving(Reply(500)) as registry, client() as it:
        assert list(it.read_blob(f"{registry.address}/a", descriptor(b""))) == []
    assert registry.seen == []


def test_after_a_dropped_line_a_blob_is_read_from_there_on() -> None:
    with serving(broken_off(50), broken_off(120, 50), broken_off(200, 120)) as registry:
        assert read(registry) == DATA
    assert ranges(registry) == ["", "bytes=50-", "bytes=120-"]


def test_a_range_that_is_ignored_costs_bytes_and_breaks_nothing() -> None:
    with serving(broken_off(50), Reply(200, {}, DATA)) as registry:
        assert read(registry) == DATA
    with serving(Reply(200, {}, DATA)) as registry:
        assert read(registry, 150) == DATA[150:]


def test_a_range_that_starts_too_early_is_cut_to_what_was_asked_for() -> None:
    with serving(broken_off(50), broken_off(200, 40)) as registry:
        assert read(registry) == DATA


def test_a_range_that_starts_too_late_is_an_error() -> None:
    late = pytest.raises(BadRegistryResponseError, match="answered from another byte on than 50")
    with serving(broken_off(50), broken_off(200, 60)) as registry, late:
        read(registry)


def test_a_partial_answer_that_does_not_say_of_what_is_taken_for_what_was_asked_for() -> None:
    with serving(broken_off(50), Reply(206, {}, DATA[50:])) as registry:
        assert read(registry) == DATA


def test_lines_that_drop_time_and_again_end_the_patience() -> None:
    given_up = pytest.raises(RegistryUnreachableError, match="broke after")
    with serving(broken_off(50), broken_off(50, 50)) as registry, given_up:
        read(registry)
    assert len(registry.seen) == 3


def test_patience_is_renewed_by_each_byte_that_comes() -> None:
    drops = [broken_off(at + 20, at) for at in range(0, 180, 20)]
    with serving(*drops, broken_off(200, 180)) as registry:
        assert read(registry) == DATA
    assert len(registry.seen) == 10


def test_a_blob_that_the_registry_does_not_give_is_an_error() -> None:
    with serving(Reply(403)) as registry, pytest.raises(RegistryError, match="HTTP 403"):
        read(registry)


def test_a_blob_is_uploaded_by_post_and_put() -> None:
    with serving(STARTED, STORED) as registry:
        assert sum(write(registry)) == len(DATA)
    assert registry.seen == ["POST /v2/a/blobs/uploads/", PUT]
    assert registry.bodies[1] == DATA


def test_a_blob_without_bytes_is_uploaded_too() -> None:
    empty = descriptor(b"")
    with serving(STARTED, STORED) as registry, client() as it:
        it.write_blob(f"{registry.address}/a", empty, lambda _offset: iter([]))
    assert registry.seen[1] == f"PUT /upload/1?state=x&digest={empty.digest}"
    assert "Content-Length: 0" in registry.headers[1]


def test_an_upload_goes_where_the_mount_said() -> None:
    with serving(STORED) as registry:
        write(registry, location=f"http://{registry.address}/upload/7")
    assert registry.seen == [f"PUT /upload/7?digest={BLOB.digest}"]


def test_an_upload_goes_on_where_the_registry_is() -> None:
    status = Reply(204, {"Range": "0-99"})
    with serving(STARTED, HANG_UP, ABSENT, status, STORED) as registry:
        write(registry)
    assert registry.seen == ["POST /v2/a/blobs/uploads/", PUT, f"HEAD {PATH}", "GET /upload/1?state=x", PUT]
    assert registry.bodies[4] == DATA[100:]
    assert ranges(registry, "Content-Range")[4] == "100-199"


def test_an_upload_goes_on_where_the_status_sends_it() -> None:
    status = Reply(204, {"Range": "bytes=0-99", "Location": "/upload/1?state=y"})
    with serving(STARTED, HANG_UP, ABSENT, status, STORED) as registry:
        write(registry)
    assert registry.seen[4] == f"PUT /upload/1?state=y&digest={BLOB.digest}"


def test_an_upload_of_which_all_bytes_have_arrived_is_only_finished() -> None:
    with serving(STARTED, HANG_UP, ABSENT, Reply(204, {"Range": "0-199"}), STORED) as registry:
        write(registry)
    assert registry.bodies[4] == b""
    assert ranges(registry, "Content-Range")[4] == ""


@pytest.mark.parametrize(
    "status",
    [
        Reply(404, {}, b'{"errors": [{"code": "BLOB_UPLOAD_UNKNOWN"}]}'),
        Reply(204, {"Range": "0-0"}),
        Reply(204),
        Reply(204, {"Range": "0-200"}),
    ],
)
def test_an_upload_that_the_registry_has_forgotten_begins_again(status: Reply) -> None:
    again = Reply(202, {"Location": "/upload/2"})
    with serving(STARTED, HANG_UP, ABSENT, status, again, STORED) as registry:
        write(registry)
    assert registry.seen[4:] == ["POST /v2/a/blobs/uploads/", f"PUT /upload/2?digest={BLOB.digest}"]
    assert registry.bodies[5] == DATA


def test_an_upload_of_which_only_the_answer_was_lost_is_done() -> None:
    with serving(STARTED, HANG_UP, Reply(200)) as registry:
        write(registry)
    assert registry.seen[2:] == [f"HEAD {PATH}"]


@pytest.mark.parametrize("status", [408, 416, 429, 500, 502, 503, 504])
def test_an_upload_goes_on_after_a_status_that_may_pass(status: int) -> None:
    with serving(STARTED, Reply(status), ABSENT, Reply(204, {"Range": "0-99"}), STORED) as registry:
        write(registry)
    assert registry.bodies[4] == DATA[100:]


@pytest.mark.parametrize("status", [400, 403, 413])
def test_an_upload_that_is_refused_is_not_tried_again(status: int) -> None:
    with serving(STARTED, Reply(status)) as registry, pytest.raises(RegistryError, match=f"HTTP {status}"):
        write(registry)
    assert len(registry.seen) == 2


def test_uploads_that_get_nowhere_end_the_patience() -> None:
    stuck = [HANG_UP, ABSENT, Reply(204, {"Range": "0-99"})]
    given_up = pytest.raises(RegistryUnreachableError, match="does not answer")
    with serving(STARTED, *stuck, *stuck, *stuck, HANG_UP) as registry, given_up:
        write(registry)
    assert sum(request.startswith("PUT") for request in registry.seen) == 4


def test_wrong_bytes_are_never_uploaded_to_their_end() -> None:
    with serving(STARTED, STORED) as registry, pytest.raises(DigestMismatchError, match="came as 200 bytes"):
        write(registry, DATA[:-1] + b"!")
    assert DATA[:-1] + b"!" not in registry.bodies


def test_a_blob_that_is_filed_under_another_digest_is_an_error() -> None:
    stored = Reply(201, {"Docker-Content-Digest": f"sha256:{'0' * 64}"})
    with serving(STARTED, stored) as registry, pytest.raises(DigestMismatchError, match="filed the blob under"):
        write(registry)


def test_a_digest_of_another_kind_says_nothing_of_a_blob() -> None:
    stored = Reply(201, {"Docker-Content-Digest": BLOB.digest})
    long = descriptor(DATA, algorithm="sha512")
    with serving(STARTED, stored) as registry, client() as it:
        it.write_blob(f"{registry.address}/a", long, source())
    assert registry.seen[1].endswith(f"digest={long.digest}")


def test_a_source_that_fails_fails_the_upload(tmp_path: Path) -> None:
    empty = LayoutStore(tmp_path)
    with serving(STARTED, STORED) as registry, client() as it, pytest.raises(LayoutLacksImageError, match="no blob"):
        it.write_blob(f"{registry.address}/a", BLOB, lambda offset: empty.read_blob("oci-layout:none", BLOB, offset))


def test_a_blob_is_mounted_by_one_post() -> None:
    with serving(Reply(201)) as registry, client() as it:
        assert it.mount_blob(f"{registry.address}/a", BLOB, "team/base") == ""
    assert registry.seen == [f"POST /v2/a/blobs/uploads/?mount={BLOB.digest}&from=team/base"]


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a_mount_that_is_refused_is_an_upload_from_the_start(status: int) -> None:
    with serving(Reply(status), STARTED) as registry, client() as it:
        location = it.mount_blob(f"{registry.address}/a", BLOB, "team/base")
    assert location == f"http://{registry.address}/upload/1?state=x"
    assert registry.seen[1] == "POST /v2/a/blobs/uploads/"


def test_a_mount_and_an_upload_that_are_refused_are_the_uploads_error() -> None:
    with serving(Reply(403)) as registry, client() as it, pytest.raises(RegistryError, match=r"403 .*/uploads/\)"):
        it.mount_blob(f"{registry.address}/a", BLOB, "team/base")


def test_a_mount_that_fails_otherwise_is_an_error() -> None:
    with serving(Reply(500)) as registry, client() as it, pytest.raises(RegistryError, match="HTTP 500"):
        it.mount_blob(f"{registry.address}/a", BLOB, "team/base")
    assert len(registry.seen) == 1


def test_a_mount_that_is_not_granted_says_where_to_upload() -> None:
    with serving(STARTED) as registry, client() as it:
        location = it.mount_blob(f"{registry.address}/a", BLOB, "team/base")
    assert location == f"http://{registry.address}/upload/1?state=x"
