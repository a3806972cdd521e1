"""The lock file: one text for one state, and every fault named with its field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_client.documents import write_atomically
from registry_client.errors import DocumentError
from registry_client.lockfile import LockedImage, Lockfile, parse_lockfile, read_lockfile

if TYPE_CHECKING:
    from pathlib import Path

DIGEST = "sha256:" + "0" * 64
DIGESTS = st.binary(min_size=32, max_size=32).map(lambda data: f"sha256:{data.hex()}")
IMAGES = st.builds(
    LockedImage,
    reference=st.sampled_from(["docker.io/library/redis:7.2", "host:5000/a:t", "oci-layout:dir"]),
    digest=DIGESTS,
    media_type=st.just("application/vnd.oci.image.index.v1+json"),
    size=st.integers(0, 2**40),
    platforms=st.dictionaries(st.sampled_from(["linux/amd64", "linux/arm64/v8"]), DIGESTS),
    frozen=st.text(max_size=10),
)
LOCKS = st.builds(Lockfile, images=st.dictionaries(st.text(max_size=8), IMAGES, max_size=5))


def document(**changes: object) -> dict[str, Any]:
    """A lock with one image, some fields of which are other ones."""
    image: dict[str, object] = {"digest": DIGEST, "mediaType": "m", "reference": "docker.io/library/redis:1", "size": 1}
    return {"images": {"redis": {key: value for key, value in (image | changes).items() if value is not None}}}


@given(LOCKS)
def test_a_lock_is_read_as_it_was_written(lock: Lockfile) -> None:
    assert parse_lockfile(lock.to_text(), "lock") == lock


@given(LOCKS)
def test_the_text_is_canonical(lock: Lockfile) -> None:
    text = lock.to_text()
    expected = json.dumps(json.loads(text), indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert text == expected
    assert Lockfile(images=dict(reversed(list(lock.images.items())))).to_text() == text


@given(st.text(max_size=60))
def test_any_text_is_a_lock_or_refused_with_its_name(text: str) -> None:
    with pytest.raises(DocumentError, match=r"^images\.lock\.json: "):
        parse_lockfile(text, "images.lock.json")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"digest": "sha256:0"}, "images.redis.digest: .* is not a digest"),
        ({"digest": None}, "images.redis.digest: is missing"),
        ({"digest": 1}, "images.redis.digest: must be a string"),
        ({"size": "1"}, "images.redis.size: must be a whole number"),
        ({"size": True}, "images.redis.size: must be a whole number"),
        ({"reference": "A"}, "images.redis.reference: .* is not an image reference"),
        ({"platforms": {"linux/amd64": "x"}}, "images.redis.platforms.linux/amd64: .* is not a digest"),
        ({"platforms": {"linux/amd64": 1}}, "images.redis.platforms.linux/amd64: must be a string"),
        ({"weight": 1}, "images.redis.weight: is not a field"),
    ],
)
def test_a_fault_is_named_with_the_path_of_its_field(changes: dict[str, object], complaint: str) -> None:
    text = json.dumps(document(**changes) | {"lockfileVersion": 1})
    with pytest.raises(DocumentError, match=complaint):
        parse_lockfile(text, "lock")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ('{"images": {}, "lockfileVersion": 2}', "lockfileVersion: 2 is not a version"),
        ('{"images": {}}', "lockfileVersion: is missing"),
        ('{"images": {}, "images": {}, "lockfileVersion": 1}', '"images" stands there twice'),
        ('{"images": {}, "lockfileVersion": 1, "x": 1}', "x: is not a field"),
        ('{"images": {"a": 1}, "lockfileVersion": 1}', "images.a: must be an object"),
        ("[]", "must be an object"),
        ("<<<<<<< ours\n{}\n", "merge conflict"),
        ("[" * 100_000, "nested too deeply"),
        ('{"images": {"\\ud800": 1}, "lockfileVersion": 1}', "half a character"),
    ],
)
def test_a_document_that_is_no_lock_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(DocumentError, match=complaint):
        parse_lockfile(text, "lock")


def test_a_character_outside_the_first_plane_may_be_escaped() -> None:
    escaped = document(frozen="\N{SNOWMAN} \N{GRINNING FACE}") | {"lockfileVersion": 1}
    assert parse_lockfile(json.dumps(escaped), "lock").images["redis"].frozen == "\N{SNOWMAN} \N{GRINNING FACE}"


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").write_bytes(b"\xff")
    with pytest.raises(DocumentError, match="UTF-8"):
        read_lockfile(tmp_path / "lock")


def test_writing_follows_links_keeps_permissions_and_leaves_nothing_else(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.write_bytes(b"old")
    real.chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    write_atomically(tmp_path / "link", b"new")
    assert real.read_bytes() == b"new"
    assert real.stat().st_mode & 0o777 == 0o640
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "real"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="folder"):
        write_atomically(folder, b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
