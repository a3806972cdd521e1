"""The promotion plan: its text, and edges that several targets ask for."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from registry_client.descriptor import digest_of
from registry_client.errors import DocumentError, UsageError
from registry_client.plan import AdHoc, Edge, Plan, merge_edges, read_plan
from registry_client.policy import Overwrite, Policy
from registry_client.reference import parse_reference

if TYPE_CHECKING:
    from pathlib import Path

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
LONG = f"sha512:{'3' * 128}"
MOVING, IMMUTABLE = Overwrite.MOVING, Overwrite.IMMUTABLE
WORDS = st.lists(st.text(min_size=1, max_size=8), max_size=3)


def edge(source: str = f"a.example/app@{ONE}", destination: str = "a.example/app:1", **more: Any) -> Edge:  # noqa: ANN401
    given: dict[str, Any] = {"target": "//:promote", **more}
    return Edge(source=parse_reference(source), destination=parse_reference(destination), **given)


def edges(digest: str, tag: str) -> st.SearchStrategy[Edge]:
    places = st.sampled_from([f"b.example:5000/x/y:{tag}", f"oci-layout:out/dir:{tag}", f"c.example/z@{digest}"])
    return st.builds(
        edge,
        st.sampled_from([f"a.example/app@{digest}", f"docker.io/library/app:1@{digest}", f"oci-layout:a@{digest}"]),
        places,
        target=st.text(max_size=8),
        overwrite=st.sampled_from(Overwrite),
        requires=WORDS,
    )


PLAN = st.builds(
    Plan,
    edges=st.tuples(edges(ONE, "1"), edges(TWO, "2"), edges(LONG, "3")).map(list) | st.just([]),
    ad_hoc=st.none()
    | st.builds(
        AdHoc,
        allowed=st.lists(st.sampled_from(["tag", "repository"])),
        policy=st.builds(Policy, moving=WORDS, default=st.none() | st.sampled_from(Overwrite), requires=WORDS),
        overwrite=st.none() | st.sampled_from(Overwrite),
    ),
)


@given(PLAN)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_plan_that_is_read_has_the_text_that_was_written(tmp_path: Path, plan: Plan) -> None:
    path = tmp_path / "plan.json"
    path.write_text(plan.to_text(), encoding="utf-8")
    again = read_plan(path)
    assert again.to_text() == plan.to_text()
    assert again.digest == digest_of(path.read_bytes())


def test_an_edge_crosses_when_the_repository_is_another() -> None:
    assert not edge().crosses
    assert edge(destination="a.example/other:1").crosses
    assert edge(destination="b.example/app:1").crosses


def test_targets_that_ask_for_the_same_are_one_edge_with_what_is_stricter() -> None:
    first, second = (
        edge(requires=["signature"]),
        edge(target="//:b", overwrite=IMMUTABLE, requires=["sbom", "signature"]),
    )
    for pair in ([first, second], [second, first]):
        (merged,) = merge_edges(pair)
        assert merged.overwrite is IMMUTABLE
        assert set(merged.requires) == {"sbom", "signature"}
        assert len(merged.requires) == 2
        assert merged.target == pair[0].target
    assert merge_edges([first, first]) == [first]


def test_edges_keep_their_order() -> None:
    tags = ["c", "a", "b", "a"]
    assert [str(e.destination.tag) for e in merge_edges(edge(destination=f"a.example/app:{t}") for t in tags)] == [
        "c",
        "a",
        "b",
    ]


def test_targets_that_want_a_tag_for_different_images_are_refused_a_line_each() -> None:
    other = edge(f"a.example/app@{TWO}", target="//:other")
    third = edge(f"a.example/app@{TWO}", "a.example/app:2", target="//:third")
    with pytest.raises(UsageError) as raised:
        merge_edges([edge(), other, edge(destination="a.example/app:2"), third])
    first, second = str(raised.value).splitlines()
    assert first == (
        f"a.example/app:1 is to be {ONE} by //:promote, but {TWO} by //:other; take the tag out of one of them"
    )
    assert second.startswith("a.example/app:2 is to be")


def test_a_digest_is_wanted_from_several_sources_alike() -> None:
    same = edge(f"b.example/mirror@{ONE}", target="//:b")
    assert merge_edges([edge(), same]) == [edge()]


def test_a_plan_may_have_no_edges(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"edges": [], "planVersion": 1}')
    assert read_plan(tmp_path / "plan.json") == Plan(edges=[])


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not JSON"),
        ("[" * 100_000, "nested too deeply"),
        ('{"planVersion": 1, "planVersion": 1}', '"planVersion" stands there twice'),
        ("<<<<<<< ours\n", "has the marks of a merge conflict"),
        ('{"planVersion": true, "edges": []}', "planVersion: must be a whole number"),
        ('{"planVersion": 1}', "edges: is missing"),
        ('{"planVersion": 1, "edges": [1]}', r"edges\[0\]: must be an object"),
        ('{"planVersion": 1, "edges": [], "more": 1}', "more: is not a field"),
        ('{"planVersion": 1, "edges": [], "adHoc": 1}', "adHoc: must be an object"),
        ('{"planVersion": 1, "edges": [], "adHoc": {"allowed": []}}', "adHoc.policy.policyVersion: is missing"),
        (
            '{"planVersion": 1, "edges": [], "adHoc": {"allowed": [], "policy": {"policyVersion": 1}, "x": 1}}',
            "adHoc.x: is not a field",
        ),
    ],
)
def test_a_plan_with_a_wrong_field_is_refused_by_its_path(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(DocumentError, match=f"^plan.json: {complaint}"):
        read_plan(tmp_path / "plan.json")


def test_a_plan_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_bytes(b"\x80")
    with pytest.raises(DocumentError, match="not a text in UTF-8"):
        read_plan(tmp_path / "plan.json")


def test_a_plan_with_one_tag_for_two_images_is_refused(tmp_path: Path) -> None:
    both = [edge().to_json(), edge(f"a.example/app@{TWO}").to_json()]
    (tmp_path / "plan.json").write_text(json.dumps({"planVersion": 1, "edges": both}))
    with pytest.raises(UsageError, match="take the tag out of one of them"):
        read_plan(tmp_path / "plan.json")
