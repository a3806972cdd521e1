"""What a rule gives the tool, and what people type behind it: nothing of that is the name of a file of arguments."""

from __future__ import annotations

import json

import pytest
from lock_workspace import APP, DONE, USAGE, Workspace, image
from registry_client.__main__ import main


@pytest.mark.parametrize("target", [["--target=@@other~//:promote"], ["--target", "@@other~//:promote"]])
def test_the_label_of_another_module_is_no_file(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, target: list[str]
) -> None:
    assert workspace.promote("1") == DONE
    monkeypatch.setenv("REGISTRY_RULES_ARGS", json.dumps(["promote", "--plan", "plan.json", *target]))
    assert main(["--dry-run"]) == DONE


def test_what_is_typed_behind_a_target_is_no_file(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert workspace.promote("1") == DONE
    (workspace.root / "typed").write_text("--dry-run\n")
    monkeypatch.setenv("REGISTRY_RULES_ARGS", json.dumps(["promote", "--plan", "plan.json"]))
    assert main(["@typed"]) == USAGE
    assert "unrecognized arguments: @typed" in capsys.readouterr().err


def test_actions_and_the_plain_command_line_may_name_a_file_of_arguments(
    workspace: Workspace, capsys: pytest.CaptureFixture[str]
) -> None:
    (workspace.root / "params").write_text(f"resolve\n{APP}:1\n")
    assert main(["@params"]) == DONE
    (workspace.root / "params").write_text(f"{APP}:1\n")
    assert main(["resolve", "@params"]) == DONE
    assert capsys.readouterr().out == f"{APP}@{image('1').digest}\n" * 2
