"""What ``image_retag`` declares: stamps, repositories, and what is there twice."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from reference_test import HOST, PATH, TAG
from registry_client.errors import DocumentError, UsageError
from registry_client.policy import Overwrite
from registry_client.retag_request import RetagRequest, parse_repository, read_retag_request, read_status

if TYPE_CHECKING:
    from pathlib import Path


def read(
    tmp_path: Path,
    *,
    more: list[str] | None = None,
    status: dict[str, str] | None = None,
    **fields: Any,  # noqa: ANN401
) -> RetagRequest:
    (tmp_path / "retag.json").write_text(json.dumps({"target": "//:promote", "tags": ["1"], **fields}))
    return read_retag_request(tmp_path / "retag.json", more_tags=more or [], status=status or {})


def complaints(tmp_path: Path, **arguments: Any) -> list[str]:  # noqa: ANN401
    with pytest.raises(UsageError) as raised:
        read(tmp_path, **arguments)
    return str(raised.value).splitlines()


def test_what_is_declared_is_read(tmp_path: Path) -> None:
    request = read(
        tmp_path,
        tags=["1", "2"],
        repositories=["a.example/b", "oci-layout:out"],
        overwrite="immutable",
        requires=["signature"],
        adHoc=["tag", "repository"],
    )
    assert (request.target, request.tags, request.overwrite) == ("//:promote", ["1", "2"], Overwrite.IMMUTABLE)
    assert [each.name for each in request.repositories] == ["a.example/b", "oci-layout:out"]
    assert (request.requires, request.ad_hoc) == (["signature"], ["tag", "repository"])
    assert read(tmp_path).overwrite is None


def test_stamps_stand_for_the_workspace_status(tmp_path: Path) -> None:
    status = {"STABLE_VERSION": "1.2", "STABLE_COMMIT": "abc"}
    request = read(tmp_path, tags=["v{STABLE_VERSION}-{STABLE_COMMIT}"], more=["{STABLE_VERSION}"], status=status)
    assert request.tags == ["v1.2-abc", "1.2"]


def test_a_stamp_that_is_not_there_is_named_beside_those_that_are(tmp_path: Path) -> None:
    assert complaints(tmp_path, tags=["{A}"], status={"B": "1", "C": "2"}) == [
        (
            '//:promote: the tag "{A}" wants A, but the stable workspace status has: B, C; of what '
            "--workspace_status_command prints, only keys that start with STABLE_ are stable: "
            "let it print STABLE_A, and write {STABLE_A}"
        )
    ]
    assert "has: nothing;" in complaints(tmp_path, tags=["{A}"])[0]


def test_a_stamp_that_makes_no_tag_is_shown_with_what_it_came_of(tmp_path: Path) -> None:
    (complaint,) = complaints(tmp_path, tags=["v{A}"], status={"A": "1/2"})
    assert complaint.startswith('//:promote: "v1/2" is not a tag')
    assert complaint.endswith('it comes of "v{A}" in tags')


@pytest.mark.parametrize("tag", ["{}", "{1}", "{A", "-", ""])
def test_what_is_neither_stamp_nor_tag_is_refused(tmp_path: Path, tag: str) -> None:
    (complaint,) = complaints(tmp_path, tags=[tag], status={"A": "1"})
    assert complaint.endswith("mend it in tags")


def test_everything_that_is_wrong_is_a_line_of_its_own(tmp_path: Path) -> None:
    found = complaints(
        tmp_path,
        tags=["1", "-", "1"],
        repositories=["a.example/b", "A/b:1", "a.example/b"],
        adHoc=["image"],
        more=["2", "2"],
    )
    assert [re.split("[:;]", line.removeprefix("//:promote: "))[0] for line in found] == [
        '"-" is not a tag',
        '"A/b',
        'the tag "1" is there twice',
        'the tag "2" is there twice',
        'the repository "a.example/b" is there twice',
        '"image" is none of repository, tag',
    ]


def test_a_request_without_tags_is_refused(tmp_path: Path) -> None:
    assert complaints(tmp_path, tags=[]) == ["//:promote: there is no tag to set; add one to tags"]


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"overwrite": "never"}, "overwrite: "),
        ({"tags": "1"}, "tags: must be a list"),
        ({"registry": 1}, "registry: is not a field"),
        ({"target": 1}, "target: must be a string"),
    ],
)
def test_a_wrong_field_is_refused_by_its_path(tmp_path: Path, fields: dict[str, Any], complaint: str) -> None:
    with pytest.raises(DocumentError, match=f"^retag.json: {complaint}"):
        read(tmp_path, **fields)


def test_a_request_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "retag.json").write_bytes(b"\x80")
    with pytest.raises(DocumentError, match="not a text in UTF-8"):
        read_retag_request(tmp_path / "retag.json", status={})


def test_the_status_has_a_key_and_a_value_on_each_line(tmp_path: Path) -> None:
    (tmp_path / "status.txt").write_text("A 1\nB two words\nC\n\n")
    assert read_status(tmp_path / "status.txt") == {"A": "1", "B": "two words", "C": "", "": ""}


@given(HOST, PATH)
def test_a_repository_is_read_without_tag_and_digest(host: str, path: str) -> None:
    assert parse_repository(f"{host}/{path}").name in {f"{host}/{path}", f"{host}/library/{path}"}


@given(HOST, PATH, TAG)
def test_an_image_is_no_repository(host: str, path: str, tag: str) -> None:
    for text in (f"{host}/{path}:{tag}", f"{host}/{path}@sha256:{'0' * 64}", f"oci-layout:{path}:{tag}"):
        with pytest.raises(UsageError, match="is not a repository"):
            parse_repository(text)


@given(st.text(max_size=30))
def test_any_text_is_a_repository_or_refused_as_none(text: str) -> None:
    try:
        reference = parse_repository(text)
    except UsageError:
        return
    assert parse_repository(reference.name).name == reference.name


@pytest.mark.parametrize("text", ["", "a b", "team/App", "oci-layout:"])
def test_what_is_no_repository_is_said_without_more_words_than_were_written(text: str) -> None:
    with pytest.raises(UsageError, match="is not a repository") as raised:
        parse_repository(text)
    assert ":tag" not in str(raised.value)
