"""The program that the rules run, on real registries: Distribution, and that of go-containerregistry."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING

import pytest
from integration.images import index, push, served_digest, single
from integration.servers import SERVERS, find_tool
from integration.tool import Tool, inherited_environment

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NOWHERE = "127.0.0.1:1/x/y:z"
ABSENT = f"sha256:{'0' * 64}"
REPOSITORY = "team/app"


@pytest.fixture(params=SERVERS)
def kind(request: pytest.FixtureRequest) -> str:
    """The name of a registry's implementation."""
    return str(request.param)


@pytest.fixture
def registry(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an empty registry."""
    with SERVERS[kind](tmp_path_factory.mktemp(kind)) as address:
        yield address


@pytest.fixture
def tool(tmp_path: Path) -> Tool:
    """The tool in an empty workspace."""
    workspace = tmp_path / "workspace"
    workspace.mkdir()
    return Tool(workspace)


@pytest.fixture
def images(registry: str) -> dict[str, str]:
    """Two images that are on the registry: an index of two platforms, and a single manifest."""
    push(registry, REPOSITORY, "1.0", index("app"))
    push(registry, "base", "bookworm", single("base"))
    return {"app": f"{registry}/{REPOSITORY}:1.0", "base": f"{registry}/base:bookworm"}


def locked(tool: Tool) -> dict[str, dict[str, object]]:
    images: dict[str, dict[str, object]] = json.loads(tool.lock.read_bytes())["images"]
    return images


def tree(tool: Tool) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in tool.workspace.rglob("*") if path.is_file()}


def test_update_locks_what_the_tags_point_to(tool: Tool, images: dict[str, str]) -> None:
    app, base = index("app"), single("base")
    result = tool.update(images)
    assert result.code == 0, result.stderr
    assert result.outcomes == [("app", "added", "-", app.digest), ("base", "added", "-", base.digest)]
    assert locked(tool) == {
        "app": {
            "digest": app.digest,
            "mediaType": app.media_type,
            "platforms": {"linux/amd64": app.children[0].digest, "linux/arm64": app.children[1].digest},
            "reference": images["app"],
            "size": len(app.manifest),
        },
        "base": {
            "digest": base.digest,
            "mediaType": base.media_type,
            "reference": images["base"],
            "size": len(base.manifest),
        },
    }
    assert tool.verify(images).code == 0


def test_a_second_update_leaves_the_same_bytes(tool: Tool, images: dict[str, str]) -> None:
    tool.update(images)
    first, written = tool.lock.read_bytes(), tool.lock.stat().st_mtime_ns
    result = tool.update(images)
    assert result.code == 0
    assert [outcome for _, outcome, _, _ in result.outcomes] == ["unchanged", "unchanged"]
    assert tool.lock.read_bytes() == first
    assert tool.lock.stat().st_mtime_ns == written


def test_update_without_the_old_lock_gives_the_same_bytes(tool: Tool, images: dict[str, str]) -> None:
    tool.update(images)
    first = tool.lock.read_bytes()
    tool.lock.unlink()
    tool.update(dict(reversed(images.items())))
    assert tool.lock.read_bytes() == first


def test_update_picks_up_a_tag_that_has_moved(tool: Tool, images: dict[str, str], registry: str) -> None:
    tool.update(images)
    push(registry, REPOSITORY, "1.0", index("app, mended"))
    result = tool.update(images)
    assert result.code == 0
    assert result.outcomes[0] == ("app", "updated", index("app").digest, index("app, mended").digest)
    assert result.outcomes[1][1] == "unchanged"
    assert locked(tool)["app"]["digest"] == index("app, mended").digest


def test_update_by_name_leaves_the_other_pins_alone(tool: Tool, images: dict[str, str], registry: str) -> None:
    tool.update(images)
    push(registry, REPOSITORY, "1.0", index("app, mended"))
    push(registry, "base", "bookworm", single("base, mended"))
    result = tool.update(images, "base")
    assert result.code == 0
    assert result.outcomes == [("base", "updated", single("base").digest, single("base, mended").digest)]
    assert locked(tool)["app"]["digest"] == index("app").digest
    assert locked(tool)["base"]["digest"] == single("base, mended").digest


def test_update_removes_the_pin_of_what_is_no_longer_declared(tool: Tool, images: dict[str, str]) -> None:
    tool.update(images)
    app = images.pop("app")
    result = tool.update(images)
    assert ("app", "removed", index("app").digest, "-") in result.outcomes
    assert list(locked(tool)) == ["base"]
    assert app not in tool.lock.read_text()


def test_a_name_that_is_not_declared_changes_nothing(tool: Tool, images: dict[str, str]) -> None:
    tool.update(images)
    before = tree(tool)
    result = tool.update(images, "bas")
    assert result.code == 2
    assert "bas" in result.complaints[0]
    assert "app, base" in result.complaints[0]
    assert tree(tool) == before


def test_pins_need_no_registry(tool: Tool, kind: str, tmp_path: Path) -> None:
    with SERVERS[kind](tmp_path) as registry:
        push(registry, REPOSITORY, "1.0", index("app"))
        images = {"app": f"{registry}/{REPOSITORY}:1.0"}
        tool.update(images)
    assert tool.update(images).code == 1, "the registry should be gone"
    result, pins = tool.pins(images)
    assert result.code == 0, result.stderr
    assert pins == {"app": (index("app").digest, f"{registry}/{REPOSITORY}@{index('app').digest}")}


@pytest.mark.parametrize("reference", ["{registry}/team/app:2.0", "{registry}/team/nothing:1.0"])
def test_an_image_that_is_not_there_leaves_the_lock_alone(
    tool: Tool, images: dict[str, str], registry: str, reference: str
) -> None:
    tool.update(images)
    before = tree(tool)
    push(registry, "base", "bookworm", single("base, mended"))
    images["app"] = reference.format(registry=registry)
    result = tool.update(images)
    assert result.code == 1
    assert [outcome[:2] for outcome in result.outcomes] == [("app", "failed"), ("base", "updated")]
    assert images["app"] in result.complaints[0]
    assert "404" in result.complaints[0]
    assert "bazel run //:images.update" in result.complaints[1]
    assert len(result.complaints) == 2
    assert tree(tool) == before


def test_a_registry_that_does_not_answer_leaves_the_lock_alone(tool: Tool, images: dict[str, str]) -> None:
    tool.update(images)
    before = tree(tool)
    images["far"] = NOWHERE
    result = tool.update(images)
    assert result.code == 1
    assert "127.0.0.1:1 does not answer" in result.complaints[0]
    assert NOWHERE in result.complaints[0]
    assert len(result.complaints) == 2
    assert tree(tool) == before


def test_retag_sets_the_tags(tool: Tool, images: dict[str, str], registry: str) -> None:
    assert images
    app = index("app")
    plan = tool.plan(f"{registry}/{REPOSITORY}@{app.digest}", "prod", "stable")
    assert served_digest(registry, REPOSITORY, "prod") is None
    result = tool.promote(plan)
    assert result.code == 0, result.stderr
    assert [edge[1:] for edge in result.edges] == [(app.digest, "tagged")] * 2
    assert served_digest(registry, REPOSITORY, "prod") == app.digest
    assert served_digest(registry, REPOSITORY, "stable") == app.digest
    again = tool.promote(plan)
    assert again.code == 0
    assert [edge[2] for edge in again.edges] == ["unchanged", "unchanged"]
    assert "nothing to do" in again.stderr


def test_another_client_sees_the_new_tag(tool: Tool, images: dict[str, str], registry: str) -> None:
    crane = find_tool("crane")
    base = single("base")
    result = tool.run("tag", images["base"], "prod")
    assert result.code == 0, result.stderr
    command = [crane, "digest", f"{registry}/base:prod"]
    seen = subprocess.run(command, env=inherited_environment(), capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == base.digest


def test_retag_moves_a_tag_that_is_on_another_image(tool: Tool, images: dict[str, str], registry: str) -> None:
    assert images
    push(registry, REPOSITORY, "prod", single("yesterday"))
    result = tool.promote(tool.plan(f"{registry}/{REPOSITORY}@{index('app').digest}", "prod"))
    assert result.code == 0, result.stderr
    assert served_digest(registry, REPOSITORY, "prod") == index("app").digest


def test_a_dry_run_writes_nothing(tool: Tool, images: dict[str, str], registry: str) -> None:
    assert images
    plan = tool.plan(f"{registry}/{REPOSITORY}@{index('app').digest}", "1.0", "prod")
    result = tool.promote(plan, "--dry-run")
    assert result.code == 3
    assert [edge[2] for edge in result.edges] == ["unchanged", "would be tagged"]
    assert "1 of 2" in result.stderr
    assert served_digest(registry, REPOSITORY, "prod") is None
    assert tool.promote(plan).code == 0
    assert tool.promote(plan, "--dry-run").code == 0


def test_without_its_source_nothing_is_tagged(tool: Tool, images: dict[str, str], registry: str) -> None:
    assert images
    good, bad = f"{registry}/{REPOSITORY}@{index('app').digest}", f"{registry}/base@{ABSENT}"
    plan = tool.plan_of(
        [(good, {"tags": ["prod"], "target": "//:app"}), (bad, {"tags": ["prod"], "target": "//:base"})]
    )
    result = tool.promote(plan)
    assert result.code == 1
    assert "//:base" in result.complaints[0]
    assert f"{registry}/base:prod" in result.complaints[0]
    assert "404" in result.complaints[0]
    assert result.complaints[1:] == ["error: nothing was written; 1 were not tried"]
    assert served_digest(registry, REPOSITORY, "prod") is None
    assert served_digest(registry, "base", "prod") is None


def test_a_tag_that_is_none_is_refused(tool: Tool, images: dict[str, str]) -> None:
    result = tool.run("tag", images["app"], "prod", "-x")
    assert result.code == 2
    result = tool.run("tag", images["app"], "prod", "a/b")
    assert result.code == 2
    assert '"a/b" is not a tag' in result.complaints[0]


def test_resolve_prints_all_that_can_be_resolved(tool: Tool, images: dict[str, str], registry: str) -> None:
    result = tool.run("resolve", images["base"], f"{registry}/base:nothing", images["app"])
    assert result.code == 1
    assert result.lines == [
        [f"{registry}/base@{single('base').digest}"],
        [f"{registry}/{REPOSITORY}@{index('app').digest}"],
    ]
    assert len(result.complaints) == 1
    assert f"{registry}/base:nothing" in result.complaints[0]


def test_an_image_by_digest_is_resolved_to_that_digest(tool: Tool, images: dict[str, str], registry: str) -> None:
    assert images
    child = index("app").children[1].digest
    result = tool.run("resolve", f"{registry}/{REPOSITORY}@{child}", f"{registry}/{REPOSITORY}:gone@{child}")
    assert result.code == 0, result.stderr
    assert result.lines == [[f"{registry}/{REPOSITORY}@{child}"]] * 2


def test_the_lock_keeps_its_permissions(tool: Tool, images: dict[str, str]) -> None:
    tool.lock.write_text("{}", encoding="utf-8")
    os.chmod(tool.lock, 0o640)
    assert tool.update(images).code == 0
    assert tool.lock.stat().st_mode & 0o777 == 0o640
