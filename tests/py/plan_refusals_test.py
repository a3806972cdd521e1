"""``registry plan``: plans of several targets and of layouts, and what people add to them; what a rollback meets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from lock_workspace import APP, DONE, FAILED, USAGE, Workspace, image, index
from registry_client.__main__ import main
from registry_client.layout import LayoutStore


def retag(name: str, content: str = "1", **request: Any) -> list[str]:  # noqa: ANN401 - JSON is anything
    """What an ``image_retag`` asks for, as arguments."""
    pinned = (image if content == "1" else index)(content).digest
    Path(f"{name}.json").write_text(json.dumps({"target": f"//:{name}", "tags": ["x"]} | request))
    Path(f"{name}.reference").write_text(f"{APP}@{pinned}")
    return ["--retag", f"{name}.json", "--image", f"{name}.reference"]


def plan(*arguments: str) -> int:
    return main(["plan", "--output", "plan.json", *arguments])


def planned() -> list[dict[str, Any]]:
    edges: list[dict[str, Any]] = json.loads(Path("plan.json").read_text())["edges"]
    return edges


def test_what_two_targets_ask_for_is_planned_once_and_the_stricter_way(workspace: Workspace) -> None:
    del workspace
    first, second = (
        retag("first", adHoc=["tag"], requires=["signature"]),
        retag("second", overwrite="immutable", requires=["a"]),
    )
    assert plan("--ad-hoc", *first, *second) == DONE
    assert "adHoc" not in json.loads(Path("plan.json").read_text())
    assert [(edge["target"], edge["overwrite"], edge["requires"]) for edge in planned()] == [
        ("//:first", "immutable", ["signature", "a"])
    ]


def test_one_tag_for_two_images_is_refused(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    del workspace
    assert plan(*retag("first"), *retag("second", "2")) == USAGE
    said = capsys.readouterr().err
    assert f"{APP}:x is to be {image('1').digest} by //:first, but {index('2').digest} by //:second" in said


def test_a_policy_that_forbids_and_a_conflict_are_both_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.root / "policy").write_text('{"policyVersion": 1, "registries": ["ghcr.io"]}')
    assert plan(*retag("first"), *retag("second", "2"), *retag("third"), "--policy", "policy") == USAGE
    said = capsys.readouterr().err
    assert "//:third: " in said
    assert "by //:second" in said


@pytest.mark.parametrize("place", ["built", "built/oci-layout"])
def test_a_layout_is_planned_by_its_directory_or_its_marker(workspace: Workspace, place: str) -> None:
    LayoutStore(workspace.root).put_image("oci-layout:built:1", image("1"))
    arguments = [*retag("first", repositories=["oci-layout:shelf"])[:2], "--layout", "name", place]
    assert plan(*arguments) == DONE
    assert planned()[0]["source"] == f"oci-layout:name@{image('1').digest}"
    assert main(["promote", "--plan", "plan.json", "--layout", "name", place]) == DONE
    assert workspace.store.resolve("oci-layout:shelf:x").digest == image("1").digest


@pytest.mark.parametrize(
    ("layout", "complaint"),
    [
        (["--layout", "name", "built"], "add one to repositories"),
        (["--layout", "name", "first.json"], "is neither an image of an image_lock nor one OCI layout"),
        ([], "is neither an image of an image_lock nor one OCI layout"),
    ],
)
def test_what_is_no_layout_or_has_no_place_is_refused(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], layout: list[str], complaint: str
) -> None:
    workspace.store.put_image("oci-layout:built:1", image("1"))
    assert plan(*retag("first", image="//:it")[:2], *layout) == USAGE
    assert re.search(f"^error: //:first: .*{complaint}", capsys.readouterr().err)


def test_a_retag_has_to_come_first(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    del workspace
    assert plan("--image", "x") == USAGE
    assert "--image needs a --retag before it" in capsys.readouterr().err


def test_tags_and_repositories_are_added_to_each_other(workspace: Workspace) -> None:
    assert plan("--ad-hoc", *retag("first", adHoc=["tag", "repository"])) == DONE
    assert main(["promote", "--plan", "plan.json", "--tag", "y", "--repository", "oci-layout:shelf"]) == DONE
    # which of them is set first is not said
    assert sorted(workspace.store.get_tags("oci-layout:shelf")) == ["x", "y"]
    assert sorted(workspace.store.get_tags(APP)) == ["1", "2", "x", "y"]


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ({"tags": ["-"]}, '"-" is not a tag: .*; mend it in tags'),
        ({"repositories": ["UPPER CASE"]}, '"UPPER CASE" is not a repository: .*; mend it in repositories'),
        ({"repositories": ["a/b:t"]}, '"a/b:t" is not a repository, but an image in one: .*; mend it in repositories'),
        ({"repositories": ["a/b", "A.io/b", "docker.io/a/b"]}, 'the repository "docker.io/a/b" is there twice'),
        ({"adHoc": ["policy"]}, '"policy" is none of repository, tag'),
    ],
)
def test_what_is_wrong_with_a_target_is_said_of_it(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], request_: dict[str, Any], complaint: str
) -> None:
    del workspace
    assert plan(*retag("first", **request_)) == USAGE
    assert re.search(f"^error: //:first: .*{complaint}", capsys.readouterr().err)


def test_a_tag_that_somebody_has_moved_is_put_back_by_force_only(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    assert plan(*retag("first", tags=["2"])) == DONE
    assert main(["promote", "--plan", "plan.json", "--receipt", "receipt"]) == DONE
    workspace.store.put_image(f"{APP}:2", image("3"))
    assert main(["promote", "--plan", "plan.json", "--force"]) == USAGE
    undo = ["promote", "--plan", "plan.json", "--rollback", "receipt"]
    assert main(undo) == FAILED
    assert "somebody has moved it since" in capsys.readouterr().err
    assert main([*undo, "--force"]) == DONE
    assert workspace.store.resolve(f"{APP}:2").digest == index("2").digest
    assert main(undo) == DONE
    assert "0 of 1 tags were put back, 1 were there" in capsys.readouterr().err
