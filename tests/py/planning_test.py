"""Plans made from what targets declare, and what people add to them."""

from __future__ import annotations

from typing import Any

import pytest
from registry_client.errors import InvalidTagError, PolicyError, UsageError
from registry_client.operations.planning import Retag, make_plan, with_additions
from registry_client.plan import AdHoc, Edge, Plan
from registry_client.policy import Overwrite, Policy
from registry_client.reference import parse_reference
from registry_client.retag_request import RetagRequest, parse_repository

ONE, TWO = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
B, C = parse_repository("b.example/app"), parse_repository("c.example/app")


def retag(*tags: str, digest: str = ONE, policy: Policy | None = None, **more: Any) -> Retag:  # noqa: ANN401
    request = RetagRequest(**{"target": "//:promote", "image": "//:image", "tags": tags, **more})
    return Retag(request=request, source=parse_reference(f"a.example/app@{digest}"), policy=policy or Policy())


def places(plan: Plan) -> list[str]:
    return [str(edge.destination) for edge in plan.edges]


def test_each_tag_is_set_in_each_repository() -> None:
    assert places(make_plan([retag("1", "2")])) == ["a.example/app:1", "a.example/app:2"]
    assert places(make_plan([retag("1", "2", repositories=[B, C])])) == [
        "b.example/app:1",
        "b.example/app:2",
        "c.example/app:1",
        "c.example/app:2",
    ]


def test_an_edge_has_what_target_and_policy_say_of_it() -> None:
    policy = Policy(immutable=["v*"], requires=["signature"])
    first, second = make_plan([retag("v1", "latest", policy=policy, requires=["sbom", "signature"])]).edges
    assert (first.overwrite, second.overwrite) == (Overwrite.IMMUTABLE, Overwrite.MOVING)
    assert first.requires == ("signature", "sbom")
    assert first.target == "//:promote"


def test_targets_are_put_together_in_order() -> None:
    plan = make_plan([retag("2"), retag("1", target="//:other"), retag("2")])
    assert places(plan) == ["a.example/app:2", "a.example/app:1"]


def test_everything_that_is_wrong_is_a_line_of_its_own() -> None:
    closed = Policy(registries=["z.example"])
    with pytest.raises(UsageError) as raised:
        make_plan([retag("1", policy=closed), retag("2"), retag("2", digest=TWO, target="//:other")])
    first, second = str(raised.value).splitlines()
    assert first.startswith('//:promote: "a.example" is not in registries of the policy')
    assert second.startswith(f"a.example/app:2 is to be {ONE} by //:promote, but {TWO} by //:other")


def test_only_a_plan_of_one_target_may_be_added_to() -> None:
    open_to_all = retag("1", ad_hoc=["tag"], overwrite=Overwrite.IMMUTABLE, policy=Policy(moving=["x"]))
    assert make_plan([open_to_all], ad_hoc=True).ad_hoc == AdHoc(
        allowed=["tag"], policy=Policy(moving=["x"]), overwrite=Overwrite.IMMUTABLE
    )
    assert make_plan([open_to_all]).ad_hoc is None
    assert make_plan([open_to_all, retag("2")], ad_hoc=True).ad_hoc is None
    assert make_plan([retag("1")], ad_hoc=True).ad_hoc is None


def open_plan(*tags: str, policy: Policy | None = None, **more: Any) -> Plan:  # noqa: ANN401
    return make_plan([retag(*tags, policy=policy, ad_hoc=["tag", "repository"], **more)], ad_hoc=True)


def test_a_tag_is_added_in_every_repository() -> None:
    plan = with_additions(open_plan("1", repositories=[B, C]), ["2", "2", "1"], [])
    assert places(plan) == ["b.example/app:1", "c.example/app:1", "b.example/app:2", "c.example/app:2"]


def test_a_repository_is_added_with_every_tag() -> None:
    plan = with_additions(open_plan("1", "2"), [], [B, B])
    assert places(plan) == ["a.example/app:1", "a.example/app:2", "b.example/app:1", "b.example/app:2"]


def test_tags_and_repositories_are_added_together() -> None:
    plan = with_additions(open_plan("1"), ["2"], [B])
    assert places(plan) == ["a.example/app:1", "a.example/app:2", "b.example/app:1", "b.example/app:2"]


def test_nothing_to_add_leaves_a_plan_as_it_is() -> None:
    for plan in (open_plan("1"), make_plan([retag("1")]), Plan(edges=[])):
        assert with_additions(plan, [], []) is plan


@pytest.mark.parametrize(
    ("allowed", "tags", "repositories", "option"),
    [([], ["2"], [], "tag"), (["repository"], ["2"], [], "tag"), (["tag"], [], [B], "repository")],
)
def test_what_the_target_does_not_allow_is_not_added(
    allowed: list[str], tags: list[str], repositories: list[Any], option: str
) -> None:
    plan = make_plan([retag("1", ad_hoc=allowed)], ad_hoc=True)
    with pytest.raises(UsageError, match=rf'^//:it does not allow --{option}; .* with ad_hoc = \["{option}"\]$'):
        with_additions(plan, tags, repositories, target="//:it")


def test_what_is_added_is_under_the_policy() -> None:
    policy = Policy(registries=["a.example"], immutable=["v*"], requires=["signature"])
    added = with_additions(open_plan("latest", policy=policy), ["v1"], []).edges[-1]
    assert (added.overwrite, tuple(added.requires)) == (Overwrite.IMMUTABLE, ("signature",))
    with pytest.raises(PolicyError, match="not in registries of the policy"):
        with_additions(open_plan("1", policy=policy), [], [B])


def test_what_is_added_is_a_tag() -> None:
    with pytest.raises(InvalidTagError):
        with_additions(open_plan("1"), ["-"], [])


def test_to_a_plan_without_edges_nothing_can_be_added() -> None:
    plan = Plan(edges=[], ad_hoc=AdHoc(allowed=["tag", "repository"], policy=Policy()))
    for tags, repositories in ((["1"], []), ([], [B])):
        with pytest.raises(UsageError, match="has no edges"):
            with_additions(plan, tags, repositories)


def test_an_edge_without_a_tag_lends_none_to_what_is_added() -> None:
    source = parse_reference(f"a.example/app@{ONE}")
    untagged = Edge(source=source, destination=B.pinned(ONE), target="//:promote")
    plan = Plan(edges=[untagged], ad_hoc=AdHoc(allowed=["tag", "repository"], policy=Policy()))
    assert places(with_additions(plan, ["1"], [C])) == [f"b.example/app@{ONE}", "b.example/app:1", "c.example/app:1"]
