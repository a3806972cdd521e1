"""Promotions of many tags: what fails is named, the rest is done or left alone as one says, and all can be undone."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import requests
from integration.fault_proxy import Exchange, no_fault, proxying, replying
from integration.images import TestImage, push, served_digest, single
from integration.promotions import crane
from integration.servers import SERVERS, serve_crane, serve_distribution
from integration.tool import Result, Tool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TAGS = 1000
MISSING, REFUSED, BROKEN = 20, 15, 15
FAILING = MISSING + REFUSED + BROKEN
SECONDS = 240


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Tool(workspace)


def faults(method: str, path: str) -> Callable[[Exchange], object]:
    """Tags that are refused, and a repository that answers with 500."""
    if method == "PUT" and "/manifests/refused" in path:
        return replying(403, b'{"errors": [{"code": "DENIED", "message": "not this tag"}]}')
    if "/v2/broken/" in path:
        return replying(500, b"out of order")
    return no_fault(method, path)


def planned(tool: Tool, registry: str, image: TestImage) -> Path:
    """A plan of 1,000 retags, 50 of which must fail."""
    absent = f"sha256:{'0' * 64}"
    good = TAGS - FAILING
    retags = [
        (f"{registry}/team/app@{image.digest}", declared("//:good", [f"good{n}" for n in range(good)])),
        (f"{registry}/team/app@{absent}", declared("//:missing", [f"missing{n}" for n in range(MISSING)])),
        (f"{registry}/team/app@{image.digest}", declared("//:refused", [f"refused{n}" for n in range(REFUSED)])),
        (f"{registry}/broken/app@{image.digest}", declared("//:broken", [f"broken{n}" for n in range(BROKEN)])),
    ]
    return tool.plan_of(retags)


def declared(target: str, tags: list[str]) -> dict[str, object]:
    return {"tags": tags, "target": target}


def tags_of(registry: str) -> set[str]:
    tags: list[str] = requests.get(f"http://{registry}/v2/team/app/tags/list", timeout=20).json()["tags"]
    return set(tags)


def test_of_1000_retags_50_fail_and_stop_all_or_the_others_are_done(tool: Tool, tmp_path: Path) -> None:
    image = single("app")
    with serve_distribution(tmp_path) as upstream, proxying(upstream, rule=faults) as proxy:
        push(upstream, "team/app", "1", image)
        plan = planned(tool, proxy.address, image)
        options = ("--retries=0", "--json")

        stopped = tool.promote(plan, *options, seconds=SECONDS)
        assert stopped.code == 1
        assert tags_of(upstream) == {"1"}
        assert results(stopped) == {"not done": TAGS - MISSING - BROKEN, "failed": MISSING + BROKEN}
        assert "nothing was written" in stopped.complaints[-1]

        going = tool.promote(plan, *options, "--keep-going", seconds=SECONDS)
        assert going.code == 1
        assert results(going) == {"tagged": TAGS - FAILING, "failed": FAILING}
        assert tags_of(upstream) == {"1"} | {f"good{n}" for n in range(TAGS - FAILING)}
        complaints = [line for line in going.complaints if "//:" in line]
        assert len(complaints) == FAILING
        for target, count, said in (
            ("//:missing", MISSING, "404"),
            ("//:refused", REFUSED, "not this tag"),
            ("//:broken", BROKEN, "500"),
        ):
            assert sum(target in line and said in line for line in complaints) == count
        assert f"{TAGS - FAILING} of {TAGS} tags were set, {FAILING} failed" in going.complaints[-1]


def results(result: Result) -> dict[str, int]:
    """How many edges there are of each result."""
    edges = [edge["result"] for edge in json.loads(result.stdout)["edges"]]
    return {each: edges.count(each) for each in dict.fromkeys(edges)}


@pytest.fixture(params=SERVERS)
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    folder = tmp_path / "registry"
    folder.mkdir()
    with SERVERS[request.param](folder) as address:
        yield address


def test_a_rollback_of_100_tags_restores_all_and_refuses_what_somebody_moved(
    tool: Tool, registry: str, tmp_path: Path
) -> None:
    tags = [f"tag{number:03}" for number in range(100)]
    old, new, other = single("old"), single("new"), single("other")
    tag_all(registry, tags, old)
    push(registry, "team/app", "new", new)
    plan = tool.plan(f"{registry}/team/app@{new.digest}", *tags)
    first, second = tmp_path / "first.json", tmp_path / "second.json"

    assert tool.promote(plan, "--receipt", str(first)).code == 0
    assert digests(registry, tags) == {new.digest}
    undone = tool.promote(plan, "--rollback", str(first))
    assert undone.code == 0, undone.stderr
    assert digests(registry, tags) == {old.digest}

    assert tool.promote(plan, "--receipt", str(second)).code == 0
    moved = tags[10:13]
    tag_all(registry, moved, other)
    undone = tool.promote(plan, "--rollback", str(second))
    assert undone.code == 1
    assert digests(registry, moved) == {other.digest}
    assert digests(registry, sorted(set(tags) - set(moved))) == {old.digest}
    refused = [line for line in undone.complaints if "somebody has moved it since" in line]
    assert len(refused) == len(moved)
    for tag, line in zip(moved, refused, strict=True):
        assert f"{registry}/team/app:{tag}: " in line
        assert other.digest in line
    assert tool.promote(plan, "--rollback", str(second), "--force").code == 0
    assert digests(registry, tags) == {old.digest}


def tag_all(registry: str, tags: list[str], image: TestImage) -> None:
    """Put an image under many tags."""
    push(registry, "team/app", tags[0], image)
    for tag in tags[1:]:
        crane("tag", f"{registry}/team/app:{tags[0]}", tag)


def digests(registry: str, tags: list[str]) -> set[str | None]:
    """What the tags point to."""
    with ThreadPoolExecutor(4) as pool:
        return set(pool.map(lambda tag: served_digest(registry, "team/app", tag), tags))


def test_a_tag_that_was_new_is_taken_away_where_the_registry_can(tool: Tool, tmp_path: Path) -> None:
    image, receipt = single("app"), tmp_path / "receipt.json"
    with serve_crane(tmp_path) as registry:
        push(registry, "team/app", "1", image)
        plan = tool.plan(f"{registry}/team/app@{image.digest}", "prod")
        assert tool.promote(plan, "--receipt", str(receipt)).code == 0
        assert tool.promote(plan, "--rollback", str(receipt), "--dry-run").code == 3
        assert tool.promote(plan, "--rollback", str(receipt)).code == 0
        assert served_digest(registry, "team/app", "prod") is None
        assert served_digest(registry, "team/app", "1") == image.digest


def test_a_tag_that_was_new_is_named_where_the_registry_cannot_take_it_away(tool: Tool, tmp_path: Path) -> None:
    image, receipt = single("app"), tmp_path / "receipt.json"
    with serve_distribution(tmp_path) as registry:
        push(registry, "team/app", "1", image)
        plan = tool.plan(f"{registry}/team/app@{image.digest}", "prod")
        assert tool.promote(plan, "--receipt", str(receipt)).code == 0
        undone = tool.promote(plan, "--rollback", str(receipt))
        assert undone.code == 1
        assert f"{registry}/team/app:prod: the tag was not there before" in undone.complaints[0]
        assert served_digest(registry, "team/app", "prod") == image.digest
