"""References: Docker's grammar, and what it makes of what people write."""

from __future__ import annotations

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_client.errors import InvalidReferenceError, InvalidTagError
from registry_client.reference import ImageReference, is_loopback, parse_reference, validate_digest, validate_tag

SHA256 = "sha256:" + "a" * 64
SHA512 = "sha512:" + "b" * 128

LOWER = st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1, max_size=8)
PATH = st.lists(
    st.tuples(LOWER, st.sampled_from(["", "-", "--", "_", "__", "."]), LOWER).map("".join), min_size=1, max_size=4
).map("/".join)
HOST = st.one_of(
    st.just("docker.io"),
    st.just("localhost"),
    st.just("[::1]:5000"),
    st.tuples(LOWER, LOWER).map(".".join),
    st.tuples(LOWER, st.integers(1, 65535)).map(lambda pair: f"{pair[0]}:{pair[1]}"),
)
TAG = st.from_regex(r"[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,20}", fullmatch=True)
DIGEST = st.sampled_from([SHA256, SHA512])
REFERENCE = st.builds(
    ImageReference, registry=HOST, repository=PATH, tag=st.none() | TAG, digest=st.none() | DIGEST
).filter(lambda reference: bool(reference.tag or reference.digest))
LAYOUT = st.builds(
    ImageReference,
    registry=st.just("oci-layout"),
    repository=st.from_regex(r"/?[a-zA-Z0-9_.-]{1,8}(/[a-zA-Z0-9_.-]{1,8}){0,3}", fullmatch=True).map(
        posixpath.normpath
    ),
    tag=st.none() | TAG,
    digest=st.none() | DIGEST,
)


@given(REFERENCE | LAYOUT)
def test_the_text_of_a_reference_parses_to_an_equal_one(reference: ImageReference) -> None:
    parsed = parse_reference(str(reference))
    assert parse_reference(str(parsed)) == parsed
    if reference.registry != "docker.io" or "/" in reference.repository:
        assert parsed == reference


@given(st.text(max_size=40))
def test_any_text_is_a_reference_or_refused_as_none(text: str) -> None:
    try:
        parsed = parse_reference(text)
    except InvalidReferenceError:
        return
    assert parse_reference(str(parsed)) == parsed


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7.2", "docker.io/library/redis:7.2"),
        ("team/app", "docker.io/team/app:latest"),
        ("index.docker.io/redis", "docker.io/library/redis:latest"),
        ("registry-1.docker.io/team/app:1", "docker.io/team/app:1"),
        ("localhost/a", "localhost/a:latest"),
        ("host:5000/a/b:t", "host:5000/a/b:t"),
        ("host:5000", "docker.io/library/host:5000"),
        ("[::1]:5000/a", "[::1]:5000/a:latest"),
        ("HOST/a", "HOST/a:latest"),
        (f"a:t@{SHA256}", f"docker.io/library/a:t@{SHA256}"),
        (f"a@{SHA512}", f"docker.io/library/a@{SHA512}"),
        ("oci-layout:some/dir", "oci-layout:some/dir"),
        ("oci-layout:/some/dir:tag", "oci-layout:/some/dir:tag"),
    ],
)
def test_what_people_write_is_filled_in(text: str, canonical: str) -> None:
    assert str(parse_reference(text)) == canonical


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a repository name"),
        ("Redis", "lower case"),
        ("a//b", "not a repository name"),
        ("a:", "not a tag"),
        ("a:-t", "not a tag"),
        ("a@sha256:abc", "not a digest"),
        ("-host.example/a", "not a host name"),
        ("a" * 64, "image identifier"),
        ("host.example/" + "a" * 256, "longer than 255"),
        ("oci-layout:", "directory"),
        ("redis\n", "not a repository name"),
    ],
)
def test_what_breaks_the_grammar_is_refused_with_the_text_and_the_reason(text: str, reason: str) -> None:
    with pytest.raises(InvalidReferenceError) as raised:
        parse_reference(text)
    assert f'"{text}"' in str(raised.value)
    if text != "a" * 64:
        assert reason in str(raised.value)


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a b", "a" * 129, "é", "a\n"])
def test_a_tag_that_is_none_is_refused(tag: str) -> None:
    with pytest.raises(InvalidTagError):
        validate_tag(tag)


@pytest.mark.parametrize("tag", ["latest", "_1", "A.b-c", "a" * 128])
def test_a_tag_is_accepted(tag: str) -> None:
    validate_tag(tag)


@pytest.mark.parametrize("digest", ["sha256:" + "A" * 64, "sha256:" + "a" * 63, "md5:" + "a" * 32, "", "sha256"])
def test_a_digest_that_is_none_is_refused(digest: str) -> None:
    with pytest.raises(InvalidReferenceError):
        validate_digest(digest)


def test_a_reference_can_be_pinned_and_tagged() -> None:
    reference = parse_reference("redis:7.2")
    assert str(reference.pinned(SHA256)) == f"docker.io/library/redis@{SHA256}"
    assert str(reference.pinned(SHA256).tagged("prod")) == "docker.io/library/redis:prod"


@pytest.mark.parametrize("host", ["localhost", "localhost:5000", "127.0.0.1", "127.1.2.3:80", "[::1]:5000"])
def test_loopback_hosts_are_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["docker.io", "10.0.0.1", "localhost.example", "[::2]"])
def test_other_hosts_are_not_loopback(host: str) -> None:
    assert not is_loopback(host)
