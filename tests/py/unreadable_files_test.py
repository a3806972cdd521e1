"""Files and paths that cannot be what they should be: each is one sentence, and no traceback."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from lock_workspace import APP, DONE, USAGE, Workspace, image
from registry_client.__main__ import main

NO_TEXT = b"\xff\xfe"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path)
    assert workspace.promote("1") == DONE
    Path("odd").write_bytes(NO_TEXT)
    return workspace


@pytest.mark.parametrize(
    "arguments",
    [
        ["promote", "--plan", "plan.json", "--rollback", "odd"],
        ["promote", "--plan", "odd"],
        ["plan", "--output", "out", "--retag", "odd", "--image", "reference"],
        ["plan", "--output", "out", "--retag", "retag.json", "--image", "odd"],
        ["plan", "--output", "out", "--retag", "retag.json", "--image", "reference", "--policy", "odd"],
        ["plan", "--output", "out", "--retag", "retag.json", "--image", "reference", "--tags", "odd"],
        ["plan", "--output", "out", "--retag", "retag.json", "--image", "reference", "--status", "odd"],
    ],
)
def test_a_file_that_is_no_text_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    capsys.readouterr()
    assert main(arguments) == USAGE
    assert capsys.readouterr().err == "error: odd: not a text in UTF-8\n"
    assert not (workspace.root / "out").exists()


@pytest.mark.parametrize("option", ["--receipt", "--rollback"])
def test_the_home_of_nobody_is_no_place(workspace: Workspace, capsys: pytest.CaptureFixture[str], option: str) -> None:
    assert workspace.promote("1", options=(option, "~nosuchuser/x")) == USAGE
    assert 'error: "~nosuchuser/x" is in a home directory that' in capsys.readouterr().err


@pytest.mark.parametrize("name", ["oci-layout:l\udcff", "oci-layout:l\0", "\udcff/app", "app:\ud800"])
def test_a_name_with_what_is_no_character_is_refused(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    del workspace
    for arguments in (["copy", f"{APP}:1", name], ["tag", name, "prod"], ["resolve", name]):
        assert main(arguments) in (USAGE, 1)
        assert "is not an image reference: it has bytes that are not UTF-8" in capsys.readouterr().err


def test_nothing_can_be_added_to_a_plan_without_edges(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    plan = {"adHoc": {"allowed": ["tag"], "policy": {"policyVersion": 1}}, "edges": [], "planVersion": 1}
    (workspace.root / "empty.json").write_text(json.dumps(plan))
    assert main(["promote", "--plan", "empty.json", "--tag", "x"]) == USAGE
    assert "the plan has no edges" in capsys.readouterr().err


def test_an_image_without_a_digest_is_not_planned(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "reference").write_text(f"{APP}:1")
    assert main(["plan", "--retag", "retag.json", "--image", "reference", "--output", "out"]) == USAGE
    assert f"//:promote: reference names {APP}:1 without a digest" in capsys.readouterr().err
    (workspace.root / "reference").write_text(f"{APP}:1@{image('1').digest}\n")
    assert main(["plan", "--retag", "retag.json", "--image", "reference", "--output", "out"]) == DONE
