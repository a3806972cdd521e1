"""The command line on layouts: exit codes, what is printed, and that a failure leaves everything as it was."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest
import registry_client
from lock_workspace import APP, DONE, FAILED, OUT_OF_DATE, USAGE, Workspace, image, index
from registry_client.__main__ import main

NONE = f"sha256:{'0' * 64}"


def test_a_promotion_sets_its_tags_once(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.promote("prod", "2") == DONE
    assert workspace.store.resolve(f"{APP}:prod").digest == image("1").digest
    assert workspace.store.resolve(f"{APP}:2").digest == image("1").digest
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows[-2:] == [
        [f"{APP}:prod", "-", "→", image("1").digest, "tagged"],
        [f"{APP}:2", index("2").digest, "→", image("1").digest, "tagged"],
    ]
    assert workspace.promote("prod", "2") == DONE
    assert "nothing to do" in capsys.readouterr().err


def test_a_dry_run_only_looks(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.promote("prod", options=("--dry-run",)) == OUT_OF_DATE
    assert "1 of 1 tags would be set" in capsys.readouterr().err
    assert workspace.promote("1", options=("--dry-run",)) == DONE


def test_a_source_that_is_missing_stops_the_promotion(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    before = (workspace.root / "app/index.json").read_bytes()
    (workspace.root / "app/blobs/sha256" / image("1").digest.removeprefix("sha256:")).unlink()
    assert workspace.promote("prod", "other") == FAILED
    printed = capsys.readouterr().err
    assert "error: //:promote: oci-layout:app:prod: " in printed
    assert "nothing was written" in printed
    assert (workspace.root / "app/index.json").read_bytes() == before


@pytest.mark.parametrize("tags", [(), ("-",), ("a", "a")])
def test_tags_that_will_not_do_are_refused(workspace: Workspace, tags: tuple[str, ...]) -> None:
    assert workspace.promote(*tags) == USAGE
    assert not (workspace.root / "plan.json").exists()


@pytest.mark.parametrize(
    ("edge", "complaint"),
    [
        ({"source": "a:1"}, r"edges\[0\].source: .* has no digest"),
        ({"destination": f"a:1@{NONE}"}, "must have a tag or a digest, and not both"),
        ({"destination": f"a@{NONE[:-1]}1"}, "has another digest than source"),
        ({"digest": f"{NONE[:-1]}1"}, "is not that of source"),
        ({"overwrite": "never"}, '"never" is neither "moving" nor "immutable"'),
        ({"more": "x"}, "is not a field"),
    ],
)
def test_a_plan_that_was_tampered_with_is_refused(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], edge: dict[str, str], complaint: str
) -> None:
    good = {"source": f"a@{NONE}", "destination": "a:2", "digest": NONE, "overwrite": "moving", "target": "t"}
    (workspace.root / "plan.json").write_text(json.dumps({"edges": [good | edge], "planVersion": 1}))
    assert main(["promote", "--plan", "plan.json"]) == USAGE
    assert re.search(complaint, capsys.readouterr().err)


def test_a_plan_of_another_version_is_refused(workspace: Workspace) -> None:
    (workspace.root / "plan.json").write_text('{"edges": [], "planVersion": 2}')
    assert main(["promote", "--plan", "plan.json"]) == USAGE


def test_references_are_resolved_in_the_order_asked(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["resolve", f"{APP}:2", f"{APP}:none", f"{APP}:1"]) == FAILED
    printed = capsys.readouterr()
    assert printed.out == f"{APP}@{index('2').digest}\n{APP}@{image('1').digest}\n"
    assert "oci-layout:app:none" in printed.err
    assert workspace.root.exists()


def test_an_image_is_tagged_from_the_command_line(workspace: Workspace) -> None:
    assert main(["tag", f"{APP}:1", "prod"]) == DONE
    assert workspace.store.resolve(f"{APP}:prod").digest == image("1").digest
    assert main(["tag", f"{APP}:1", ".prod"]) == USAGE


def test_names_and_options_may_be_mixed(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.update("one", "--dry-run", "two", "--retries", "0") == OUT_OF_DATE
    assert "2 added" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [("one", "--dry-run", "--dry", "two"), ("--", "one", "--json")])
def test_what_is_no_option_is_refused(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...]
) -> None:
    assert workspace.update(*arguments) == USAGE
    assert not workspace.lock.exists()
    assert capsys.readouterr().err.startswith("error: ")


def test_an_argument_too_many_is_refused(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    assert workspace.check("one") == USAGE
    assert "unrecognized arguments: one; see" in capsys.readouterr().err


def test_a_file_that_is_not_there_is_one_sentence(workspace: Workspace, capsys: pytest.CaptureFixture[str]) -> None:
    (workspace.root / "request.json").unlink()
    assert workspace.update() == FAILED
    assert capsys.readouterr().err == "error: request.json: No such file or directory\n"


def test_a_file_that_is_not_in_the_runfiles_is_named(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("python.runfiles", reason="there under Bazel only")
    (workspace.root / "MANIFEST").write_text("")
    monkeypatch.setenv("RUNFILES_MANIFEST_FILE", str(workspace.root / "MANIFEST"))
    monkeypatch.setenv("REGISTRY_RULES_ARGS", json.dumps(["check", "--request", {"runfile": "_main/request.json"}]))
    assert main([]) == USAGE
    assert "error: _main/request.json is not in the runfiles; " in capsys.readouterr().err


def test_a_locked_build_loads_no_http_library(workspace: Workspace) -> None:
    workspace.update()
    code = (
        "import sys; from registry_client.__main__ import main; import registry_client\n"
        "code = main(sys.argv[1:])\n"
        "loaded = {'requests', 'urllib3', 'google'} & set(sys.modules)\n"
        "sys.exit(code or (f'loaded {loaded}' if loaded else 0))\n"
    )
    arguments = ["lock", "verify", "--request", "request.json", "--lockfile", str(workspace.lock)]
    environment = {"PYTHONPATH": ":".join(sys.path)}
    subprocess.run([sys.executable, "-c", code, *arguments], check=True, env=environment)


def test_the_facade_has_what_it_promises() -> None:
    assert all(hasattr(registry_client, name) for name in registry_client.__all__)
    assert not hasattr(registry_client, "nonsense")
