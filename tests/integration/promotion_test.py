"""Promotions on real registries: what arrives, how many requests it takes, and what other clients see of it."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, NamedTuple

import pytest
from integration.images import cosign_signature, cosign_tag, index, large, push, served_digest, single
from integration.promotions import AccessLog, attach_by_oras, crane, pull_by_crane, referrers_by_oras, skopeo
from integration.servers import SERVERS, serve_distribution
from integration.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = index("app")
SBOM = "application/spdx+json"


class Registries(NamedTuple):
    """Where images come from, and where they go."""

    source: str
    destination: str


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Tool(workspace)


@pytest.fixture(params=itertools.product(SERVERS, SERVERS), ids="-".join)
def registries(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    source, destination = request.param
    with (
        SERVERS[source](tmp_path_factory.mktemp("source")) as first,
        SERVERS[destination](tmp_path_factory.mktemp("destination")) as second,
    ):
        push(first, "team/app", "1.0", APP)
        yield Registries(first, second)


@pytest.fixture
def logged(tmp_path: Path) -> Iterator[tuple[str, AccessLog]]:
    folder = tmp_path / "logged"
    folder.mkdir()
    with serve_distribution(folder, access_log=True) as address:
        push(address, "team/app", "1.0", APP)
        yield address, AccessLog(folder)


def test_an_index_arrives_whole_with_its_own_digest(tool: Tool, registries: Registries, tmp_path: Path) -> None:
    source, destination = registries
    plan = tool.plan(f"{source}/team/app@{APP.digest}", "prod", "stable", repositories=[f"{destination}/prod/app"])
    assert tool.promote(plan, "--dry-run").code == 3
    assert served_digest(destination, "prod/app", "prod") is None
    result = tool.promote(plan)
    assert result.code == 0, result.stderr
    assert "2 of 2 tags were set" in result.stderr
    for tag in ("prod", "stable"):
        assert crane("digest", f"{destination}/prod/app:{tag}") == APP.digest
        pull_by_crane(f"{destination}/prod/app:{tag}", tmp_path / tag)
    again = tool.promote(plan)
    assert again.code == 0
    assert "nothing to do: 2 of 2 tags were there" in again.stderr


def test_signatures_and_referrers_arrive_and_are_there_once_however_often_one_promotes(
    tool: Tool, registries: Registries, tmp_path: Path
) -> None:
    source, destination = registries
    home, place = f"{source}/team/app", f"{destination}/prod/app"
    attach_by_oras(f"{home}@{APP.digest}", SBOM, "of the index", tmp_path)
    attach_by_oras(f"{home}@{APP.children[0].digest}", SBOM, "of an image in it", tmp_path)
    [sbom] = referrers_by_oras(f"{home}@{APP.digest}")
    attach_by_oras(f"{home}@{sbom['digest']}", "application/vnd.example.review", "of the SBOM", tmp_path)
    push(source, "team/app", cosign_tag(APP.digest), cosign_signature(APP, "one"))
    push(source, "team/app", cosign_tag(APP.digest, "att"), cosign_signature(APP, "attestation"))
    for tag in ("prod", "later"):
        result = tool.promote(tool.plan(f"{home}@{APP.digest}", tag, repositories=[place]))
        assert result.code == 0, result.stderr
        assert [each["digest"] for each in referrers_by_oras(f"{place}:{tag}")] == [sbom["digest"]]
        assert len(referrers_by_oras(f"{place}@{APP.children[0].digest}")) == 1
        assert len(referrers_by_oras(f"{place}@{sbom['digest']}")) == 1
        for suffix in ("sig", "att"):
            signature = cosign_tag(APP.digest, suffix)
            assert crane("digest", f"{place}:{signature}") == crane("digest", f"{home}:{signature}")
    pull_by_crane(f"{place}:{cosign_tag(APP.digest)}", tmp_path / "signature")


def test_the_list_of_referrers_is_merged_and_not_overwritten(
    tool: Tool, registries: Registries, tmp_path: Path
) -> None:
    source, destination = registries
    home, place = f"{source}/team/app", f"{destination}/prod/app"
    push(destination, "prod/app", "1.0", APP)
    attach_by_oras(f"{place}@{APP.digest}", SBOM, "made there", tmp_path)
    attach_by_oras(f"{home}@{APP.digest}", SBOM, "made here", tmp_path)
    assert tool.promote(tool.plan(f"{home}@{APP.digest}", "prod", repositories=[place])).code == 0
    found = {each["digest"] for each in referrers_by_oras(f"{place}@{APP.digest}")}
    assert len(found) == 2
    assert {each["digest"] for each in referrers_by_oras(f"{home}@{APP.digest}")} < found


def test_what_refers_to_an_image_may_be_left_behind(tool: Tool, registries: Registries, tmp_path: Path) -> None:
    source, destination = registries
    attach_by_oras(f"{source}/team/app@{APP.digest}", SBOM, "here", tmp_path)
    push(source, "team/app", cosign_tag(APP.digest), cosign_signature(APP, "one"))
    plan = tool.plan(f"{source}/team/app@{APP.digest}", "prod", repositories=[f"{destination}/prod/app"])
    assert tool.promote(plan, "--no-referrers").code == 0
    assert referrers_by_oras(f"{destination}/prod/app:prod") == []
    assert served_digest(destination, "prod/app", cosign_tag(APP.digest)) is None


def test_signatures_that_only_the_destination_has_are_not_lost(tool: Tool, registries: Registries) -> None:
    source, destination = registries
    tag, place = cosign_tag(APP.digest), f"{destination}/prod/app"
    plan = tool.plan(f"{source}/team/app@{APP.digest}", "prod", repositories=[place])
    push(source, "team/app", tag, cosign_signature(APP, "one"))
    push(destination, "prod/app", tag, cosign_signature(APP, "two"))
    result = tool.promote(plan)
    assert result.code == 1
    assert f"{place}:{tag} has other signatures than" in result.complaints[0]
    assert "--no-referrers" in result.complaints[0]
    assert served_digest(destination, "prod/app", "prod") is None
    both = cosign_signature(APP, "one", "two")
    push(destination, "prod/app", tag, both)
    assert tool.promote(plan).code == 0
    assert crane("digest", f"{place}:{tag}") == both.digest


def test_a_promotion_requires_what_the_policy_says(tool: Tool, registries: Registries) -> None:
    source, destination = registries
    policy: dict[str, object] = {"policyVersion": 1, "requires": ["signature"]}
    plan = tool.plan(f"{source}/team/app@{APP.digest}", "prod", repositories=[f"{destination}/prod/app"], policy=policy)
    result = tool.promote(plan)
    assert result.code == 1
    assert f"{source}/team/app@{APP.digest} lacks signature" in result.complaints[0]
    push(source, "team/app", cosign_tag(APP.digest), cosign_signature(single("another"), "of another image"))
    assert tool.promote(plan).code == 1
    push(source, "team/app", cosign_tag(APP.digest), cosign_signature(APP, "one"))
    assert tool.promote(plan).code == 0


def test_an_immutable_tag_stays_and_nothing_else_is_written(tool: Tool, registries: Registries) -> None:
    source, destination = registries
    push(destination, "prod/app", "v1", single("another"))
    policy: dict[str, object] = {"policyVersion": 1, "overwrite": {"immutable": ["v*"]}}
    plan = tool.plan(
        f"{source}/team/app@{APP.digest}", "prod", "v1", repositories=[f"{destination}/prod/app"], policy=policy
    )
    result = tool.promote(plan, "--json")
    assert result.code == 1
    edges = {edge["destination"]: edge for edge in json.loads(result.stdout)["edges"]}
    assert edges[f"{destination}/prod/app:v1"]["error"]["code"] == "IMMUTABLE_TAG"
    assert edges[f"{destination}/prod/app:prod"]["result"] == "not done"
    assert served_digest(destination, "prod/app", "prod") is None
    push(destination, "prod/app", "v1", APP)
    assert tool.promote(plan).code == 0


def test_an_image_goes_through_a_layout_and_back(tool: Tool, registries: Registries, tmp_path: Path) -> None:
    source, destination = registries
    attach_by_oras(f"{source}/team/app@{APP.digest}", SBOM, "here", tmp_path)
    push(source, "team/app", cosign_tag(APP.digest), cosign_signature(APP, "one"))
    assert tool.run("copy", f"{source}/team/app:1.0", "oci-layout:shelf:1.0").code == 0
    result = tool.run("copy", "oci-layout:shelf:1.0", f"{destination}/prod/app:1.0")
    assert result.code == 0, result.stderr
    assert crane("digest", f"{destination}/prod/app:1.0") == APP.digest
    assert len(referrers_by_oras(f"{destination}/prod/app:1.0")) == 1
    assert crane("digest", f"{destination}/prod/app:{cosign_tag(APP.digest)}") == cosign_signature(APP, "one").digest


def test_a_retag_takes_two_requests_a_tag_and_the_manifest_once(tool: Tool, logged: tuple[str, AccessLog]) -> None:
    registry, log = logged
    plan = tool.plan(f"{registry}/team/app@{APP.digest}", "a", "b", "c")
    assert tool.promote(plan).code == 0
    assert log.counts() == {"HEAD": 3, "GET": 1, "PUT": 3}
    assert tool.promote(plan).code == 0
    assert log.counts() == {"HEAD": 3}


def test_within_a_registry_blobs_are_mounted_and_no_client_asks_less(tool: Tool, logged: tuple[str, AccessLog]) -> None:
    registry, log = logged
    image = large("app", layers=3, size=1000)
    push(registry, "team/big", "1", image)
    assert sum(len(child.blobs) for child in image.children) == 8
    log.requests()
    result = tool.run("copy", f"{registry}/team/big:1", f"{registry}/ours/big:1", "--json")
    ours = log.requests()
    assert json.loads(result.stdout)["bytesMoved"] == 0
    assert not [path for method, path in ours if method != "POST" and "/blobs/" in path]
    crane("copy", f"{registry}/team/big:1", f"{registry}/crane/big:1")
    theirs = {"crane": len(log.requests())}
    skopeo(f"{registry}/team/big:1", f"{registry}/skopeo/big:1")
    theirs["skopeo"] = len(log.requests())
    assert len(ours) < min(theirs.values()), theirs


@pytest.mark.parametrize("registries", [("crane", "distribution")], indirect=True)  # the former never mounts
def test_a_blob_that_two_repositories_need_crosses_over_once(tool: Tool, registries: Registries) -> None:
    source, destination = registries
    repositories = [f"{destination}/one/app", f"{destination}/two/app"]
    result = tool.promote(tool.plan(f"{source}/team/app@{APP.digest}", "1", repositories=repositories), "--json")
    assert result.code == 0, result.stderr
    receipt = json.loads(result.stdout)
    blobs = {blob for child in APP.children for blob in child.blobs}
    size = sum(map(len, blobs))
    assert (receipt["bytesMoved"], receipt["bytesMounted"]) == (size, size)
