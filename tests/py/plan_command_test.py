"""``registry plan``: what it reads, what it writes, and what it refuses."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from built_images import image, put
from lock_workspace import DONE, FAILED, USAGE
from registry_client.__main__ import main
from registry_client.layout import LayoutStore

if TYPE_CHECKING:
    from pathlib import Path

ONE = image("one")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "image").write_text(f"a.example/app@{ONE.digest}\n")
    put(LayoutStore(tmp_path), "built", ONE, "1")
    retag(tmp_path)
    return tmp_path


def retag(root: Path, name: str = "retag", **fields: Any) -> None:  # noqa: ANN401
    (root / f"{name}.json").write_text(json.dumps({"target": f"//:{name}", "tags": ["prod"], **fields}))


def plan(*arguments: str) -> int:
    return main(["plan", "--output", "plan.json", *arguments])


def edges(root: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((root / "plan.json").read_text())["edges"]
    return found


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert plan(*arguments) == USAGE
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


def test_a_target_with_an_image_is_an_edge(root: Path) -> None:
    assert plan("--retag", "retag.json", "--image", "image") == DONE
    assert edges(root) == [
        {
            "destination": "a.example/app:prod",
            "digest": ONE.digest,
            "overwrite": "moving",
            "source": f"a.example/app@{ONE.digest}",
            "target": "//:retag",
        }
    ]


def test_the_options_behind_a_target_are_its_own(root: Path) -> None:
    retag(root, "second", tags=[], repositories=["b.example/app"])
    (root / "tags").write_text("v{STABLE_VERSION}\nlatest\n")
    (root / "policy").write_text('{"policyVersion": 1, "overwrite": {"immutable": ["v*"]}, "requires": ["signature"]}')
    (root / "status").write_text("STABLE_VERSION 1.2\n")
    first = ["--retag", "retag.json", "--image", "image"]
    second = ["--retag", "second.json", "--image", "image", "--tags", "tags", "--policy", "policy"]
    assert plan("--status", "status", *first, *second) == DONE
    assert [(edge["destination"], edge["overwrite"], edge.get("requires")) for edge in edges(root)] == [
        ("a.example/app:prod", "moving", None),
        ("b.example/app:v1.2", "immutable", ["signature"]),
        ("b.example/app:latest", "moving", ["signature"]),
    ]


@pytest.mark.parametrize("directory", ["built", "built/oci-layout"])
def test_a_layout_of_another_rule_is_named_by_its_target(root: Path, directory: str) -> None:
    retag(root, repositories=["b.example/app"])
    assert plan("--retag", "retag.json", "--layout", "pkg/built", directory) == DONE
    assert edges(root)[0]["source"] == f"oci-layout:pkg/built@{ONE.digest}"


def test_a_layout_of_another_rule_wants_repositories(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    said = refused(capsys, "--retag", "retag.json", "--layout", "pkg/built", "built")
    assert said == (
        "error: //:retag: an image that a rule has built is in no repository yet; add one to repositories\n"
    )
    assert not (root / "plan.json").exists()


def test_a_layout_of_several_images_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(LayoutStore(root), "built", image("two"), "2")
    retag(root, repositories=["b.example/app"])
    assert plan("--retag", "retag.json", "--layout", "pkg/built", "built") == FAILED
    assert "has 2 images" in capsys.readouterr().err


def test_a_target_without_an_image_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    retag(root, image="//:image")
    said = refused(capsys, "--retag", "retag.json")
    assert said.startswith("error: //:retag: //:image is neither an image of an image_lock nor one OCI layout; ")


@pytest.mark.parametrize("text", ["a.example/app:1", "a.example/app", ""])
def test_an_image_that_is_not_pinned_is_refused(root: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    (root / "image").write_text(text)
    assert refused(capsys, "--retag", "retag.json", "--image", "image").startswith("error: ")
    assert not (root / "plan.json").exists()


@pytest.mark.parametrize("option", [["--image", "image"], ["--layout", "a", "b"], ["--tags", "tags"]])
def test_an_option_of_a_target_comes_after_it(
    root: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    said = refused(capsys, *option, "--retag", "retag.json")
    assert said.startswith(f"error: {option[0]} needs a --retag before it; see ")
    assert root.exists()


@pytest.mark.parametrize("name", ["image", "tags", "policy", "retag.json"])
def test_a_file_that_is_no_text_is_one_sentence(root: Path, capsys: pytest.CaptureFixture[str], name: str) -> None:
    for text in ("tags", "policy"):
        (root / text).write_text("")
    (root / name).write_bytes(b"\xff")
    said = refused(capsys, "--retag", "retag.json", "--image", "image", "--tags", "tags", "--policy", "policy")
    assert said == f"error: {name}: not a text in UTF-8\n"


def test_a_status_that_is_no_text_is_named(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "status").write_bytes(b"BUILD_USER \xff\nSTABLE_VERSION 1\n")
    retag(root, tags=["{STABLE_VERSION}"])
    assert plan("--status", "status", "--retag", "retag.json", "--image", "image") == USAGE
    assert capsys.readouterr().err == "error: status: not a text in UTF-8\n"


def test_what_people_may_add_is_in_the_plan(root: Path) -> None:
    retag(root, adHoc=["tag"], overwrite="immutable")
    assert plan("--ad-hoc", "--retag", "retag.json", "--image", "image") == DONE
    document = json.loads((root / "plan.json").read_text())
    assert document["adHoc"] == {"allowed": ["tag"], "overwrite": "immutable", "policy": {"policyVersion": 1}}
