"""Promotions between registries that keep the lists of referrers themselves, and those that have them under a tag."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING

import pytest
from integration.fault_proxy import proxying
from integration.images import cosign_tag, index, push, served_digest, single
from integration.promotions import attach_by_oras, referrers_by_oras
from integration.referrers_api import ReferrersApi
from integration.servers import serve_distribution
from integration.tool import Tool

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

APP = index("app")
KINDS = ["a", "b", "c"]


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Tool(workspace)


@contextlib.contextmanager
def serving(folder: Path, *, api: bool) -> Iterator[str]:
    """A registry with the API for referrers, or without."""
    folder.mkdir()
    with serve_distribution(folder) as upstream:
        if api:
            with proxying(upstream, rule=ReferrersApi().rule) as proxy:
                yield proxy.address
        else:
            yield upstream


@pytest.mark.parametrize(("here", "there"), [(True, True), (True, False), (False, True)])
def test_referrers_arrive_whichever_way_they_are_listed(tool: Tool, tmp_path: Path, *, here: bool, there: bool) -> None:
    with serving(tmp_path / "here", api=here) as source, serving(tmp_path / "there", api=there) as destination:
        push(source, "team/app", "1", APP)
        for kind in KINDS:
            attach_by_oras(f"{source}/team/app@{APP.digest}", f"application/vnd.example.{kind}", kind, tmp_path)
        place = f"{destination}/prod/app"
        plan = tool.plan(f"{source}/team/app@{APP.digest}", "1", repositories=[place])
        for _ in range(2):
            result = tool.promote(plan)
            assert result.code == 0, result.stderr
            found = sorted(each["artifactType"] for each in referrers_by_oras(f"{place}:1"))
            assert found == [f"application/vnd.example.{kind}" for kind in KINDS]
        fallback = cosign_tag(APP.digest, "x").removesuffix(".x")
        assert (served_digest(destination, "prod/app", fallback) is None) == there


@pytest.mark.parametrize("api", [True, False])
def test_the_receipt_is_attached_to_what_was_promoted(tool: Tool, tmp_path: Path, *, api: bool) -> None:
    with serving(tmp_path / "registry", api=api) as registry:
        push(registry, "team/app", "1", APP)
        push(registry, "team/app", "prod", single("before"))
        plan = tool.plan(f"{registry}/team/app@{APP.digest}", "prod")
        result = tool.promote(plan, "--attach-receipt")
        assert result.code == 0, result.stderr
        [receipt] = referrers_by_oras(f"{registry}/team/app:prod")
        assert receipt["artifactType"] == "application/vnd.in-toto+json"
        assert tool.run("copy", f"{registry}/team/app@{receipt['digest']}", "oci-layout:receipt").code == 0
        blobs = [path.read_bytes() for path in (tool.workspace / "receipt/blobs/sha256").iterdir()]
        [statement] = [json.loads(blob) for blob in blobs if b"predicateType" in blob and b"_type" in blob]
        [edge] = statement["predicate"]["edges"]
        assert (edge["old"], edge["new"]) == (single("before").digest, APP.digest)
        assert statement["subject"] == [
            {"digest": {"sha256": APP.digest.removeprefix("sha256:")}, "name": f"{registry}/team/app"}
        ]
        required = ["urn:registry_rules:promotion-receipt:v1"]
        source = f"{registry}/team/app@{APP.digest}"
        assert tool.promote(tool.plan(source, "later", requires=required)).code == 0
        assert tool.promote(tool.plan(source, "never", requires=["https://slsa.dev/provenance/v1"])).code == 1
