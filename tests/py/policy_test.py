"""The promotion policy: its patterns, what may move, and where images may go."""

from __future__ import annotations

import json
import string
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from registry_client.documents import Fields
from registry_client.errors import DocumentError, PolicyError, UsageError
from registry_client.policy import Overwrite, Policy, parse_overwrite, parse_policy, read_policy
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path

MOVING, IMMUTABLE = Overwrite.MOVING, Overwrite.IMMUTABLE
TAG = st.text(string.ascii_letters + string.digits + "_.-", min_size=1, max_size=12)
PATTERNS = st.lists(st.text(string.printable, min_size=1, max_size=8), max_size=3)
POLICY = st.builds(
    Policy,
    registries=PATTERNS,
    repositories=PATTERNS,
    sources=PATTERNS,
    moving=PATTERNS,
    immutable=PATTERNS,
    default=st.none() | st.sampled_from(Overwrite),
    requires=PATTERNS,
)


def holds_for(policy: Policy, tag: str, stated: Overwrite | None) -> Overwrite:
    """What the policy lets become of a tag."""
    place = parse_reference("a.example/team/app:1")
    return policy.permit(place, place.tagged(tag), stated)


@given(POLICY)
def test_a_policy_that_is_written_down_is_read_as_it_was(policy: Policy) -> None:
    assert parse_policy(Fields(json.loads(json.dumps(policy.to_json())), "policy.json")) == policy


@given(TAG)
def test_without_a_policy_every_tag_moves_unless_its_target_says_no(tag: str) -> None:
    assert holds_for(Policy(), tag, None) is MOVING
    assert holds_for(Policy(), tag, IMMUTABLE) is IMMUTABLE


@given(TAG, st.data())
def test_a_star_stands_for_any_part_of_a_tag(tag: str, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(tag)))
    end = draw.draw(st.integers(start, len(tag)))
    pattern = f"{tag[:start]}*{tag[end:]}"
    assert holds_for(Policy(immutable=[pattern]), tag, None) is IMMUTABLE


@given(TAG, PATTERNS, PATTERNS, st.none() | st.sampled_from(Overwrite), st.none() | st.sampled_from(Overwrite))
def test_what_is_immutable_by_the_policy_never_moves(
    tag: str, moving: list[str], immutable: list[str], default: Overwrite | None, stated: Overwrite | None
) -> None:
    policy = Policy(moving=moving, immutable=[*immutable, tag], default=default)
    try:
        assert holds_for(policy, tag, stated) is IMMUTABLE
    except PolicyError as error:
        assert tag in str(error)  # noqa: PT017 - there need not be one


@pytest.mark.parametrize(
    ("policy", "tag", "stated", "holds"),
    [
        (Policy(moving=["latest"]), "latest", None, MOVING),
        (Policy(moving=["latest"]), "v1", None, IMMUTABLE),
        (Policy(moving=["latest"]), "v1", MOVING, MOVING),
        (Policy(moving=["latest"]), "latest", IMMUTABLE, IMMUTABLE),
        (Policy(moving=["latest"], default=MOVING), "v1", None, MOVING),
        (Policy(immutable=["v*"]), "v1", None, IMMUTABLE),
        (Policy(immutable=["v*"]), "V1", None, MOVING),
        (Policy(immutable=["v[12].?"], default=IMMUTABLE), "v3.0", None, IMMUTABLE),
        (Policy(immutable=["v[12].?"]), "v3.0", None, MOVING),
    ],
)
def test_what_holds_for_a_tag(policy: Policy, tag: str, stated: Overwrite | None, holds: Overwrite) -> None:
    assert holds_for(policy, tag, stated) is holds


def test_a_tag_on_both_lists_is_refused() -> None:
    policy = Policy(moving=["v1*"], immutable=["v*"])
    with pytest.raises(PolicyError, match=r'"v1" is both moving \("v1\*"\) and immutable \("v\*"\)'):
        holds_for(policy, "v1", None)


def test_a_target_does_not_let_move_what_the_policy_does_not() -> None:
    with pytest.raises(PolicyError, match=r'immutable in the policy \("v\*"\), so overwrite cannot be "moving"'):
        holds_for(Policy(immutable=["v*"]), "v1", MOVING)


@pytest.mark.parametrize(
    ("policy", "complaint"),
    [
        (Policy(), ""),
        (Policy(registries=["*.example"], repositories=["b.example/*"], sources=["a.example/team/*"]), ""),
        (Policy(registries=["c.example"]), '"b.example" is not in registries of the policy, which has: c.example'),
        (Policy(repositories=["b.example/team", "x"]), 'team/app" is not in repositories .*: b.example/team, x'),
        (Policy(sources=["b.example/*"]), '"a.example/team/app" is not in sources of the policy'),
    ],
)
def test_images_go_only_where_the_policy_lets_them(policy: Policy, complaint: str) -> None:
    source = parse_reference(f"a.example/team/app@sha256:{'0' * 64}")
    destination = parse_reference("b.example/team/app:1")
    if not complaint:
        policy.permit(source, destination, None)
        return
    with pytest.raises(PolicyError, match=complaint):
        policy.permit(source, destination, None)


def test_a_layout_is_matched_by_its_directory() -> None:
    layout = parse_reference("oci-layout:out/app:1")
    Policy(repositories=["oci-layout:out/*"], registries=["oci-layout"]).permit(layout, layout, None)


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "must be an object"),
        ({}, "policyVersion: is missing"),
        ({"policyVersion": 2}, "policyVersion: 2 is not a version that this release knows"),
        ({"registries": "a"}, "registries: must be a list"),
        ({"sources": [1]}, r"sources\[0\]: must be a string"),
        ({"overwrite": {"default": "never"}}, 'overwrite.default: "never" is neither "moving" nor "immutable"'),
        ({"overwrite": {"stays": []}}, "overwrite.stays: is not a field of this version"),
        ({"require": []}, "require: is not a field of this version"),
    ],
)
def test_a_policy_with_a_wrong_field_is_refused_by_its_path(tmp_path: Path, document: Any, complaint: str) -> None:  # noqa: ANN401
    if isinstance(document, dict) and document:
        document = {"policyVersion": 1} | document
    (tmp_path / "policy.json").write_text(json.dumps(document))
    with pytest.raises(DocumentError, match=f"^policy.json: {complaint}"):
        read_policy(tmp_path / "policy.json")


def test_an_empty_file_allows_everything(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_text("\n")
    assert read_policy(tmp_path / "policy.json") == Policy()


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "policy.json").write_bytes(b"\xff\xfe")
    with pytest.raises(DocumentError, match=r"^policy\.json: not a text in UTF-8$"):
        read_policy(tmp_path / "policy.json")


def test_what_may_become_of_a_tag_is_one_of_two_words() -> None:
    assert parse_overwrite("") is None
    assert parse_overwrite("moving") is MOVING
    with pytest.raises(UsageError):
        parse_overwrite("Moving")
