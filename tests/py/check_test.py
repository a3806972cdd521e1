"""``registry check``: what it finds, and how it says it."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

import pytest
from lock_workspace import APP, DONE, FAILED, OUT_OF_DATE, USAGE, Workspace, image, index
from registry_client.command_line.ci_reports import junit_xml
from registry_client.errors import InnerError, RegistryError
from registry_client.operations.pin_result import PinOutcome, PinResult

Capture = pytest.CaptureFixture[str]
BOTH = {"one": f"{APP}:1", "two": f"{APP}:2"}
WHY = "the new one needs more memory"


@pytest.fixture
def workspace(workspace: Workspace, capsys: Capture) -> Workspace:
    """A workspace with its lock."""
    workspace.update()
    capsys.readouterr()
    return workspace


def move(workspace: Workspace) -> None:
    """Move the tag of "one"; what it pointed to is still listed, by another tag."""
    workspace.store.put_image(f"{APP}:kept", image("1"))
    workspace.store.put_image(f"{APP}:1", image("new"))


def lose(workspace: Workspace, digest: str) -> None:
    """Take an image out of the layout."""
    path = workspace.root / "app/index.json"
    document = json.loads(path.read_text())
    document["manifests"] = [entry for entry in document["manifests"] if entry["digest"] != digest]
    path.write_text(json.dumps(document))
    (workspace.root / "app/blobs/sha256" / digest.removeprefix("sha256:")).unlink()


def test_a_lock_that_agrees_with_the_registry_is_fine(workspace: Workspace, capsys: Capture) -> None:
    before = workspace.lock.stat()
    assert workspace.check() == DONE
    printed = capsys.readouterr()
    assert [line.split()[-1] for line in printed.out.splitlines()] == ["result", "unchanged", "unchanged"]
    assert printed.err == "//:images: 2 unchanged\n"
    assert workspace.lock.stat() == before


def test_drift_is_named_with_the_command_that_follows_it(workspace: Workspace, capsys: Capture) -> None:
    move(workspace)
    before = workspace.lock.stat()
    assert workspace.check() == OUT_OF_DATE
    printed = capsys.readouterr()
    assert printed.out.splitlines()[1].split() == [
        "one", "1", image("1").digest, "→", image("new").digest, "drifted",
    ]  # fmt: skip
    now = f"and its tag is {image('new').digest} now"
    assert printed.err.splitlines() == [
        f'//:images: image "one" (oci-layout:app:1) is pinned to {image("1").digest}, {now}',
        "//:images: 1 unchanged, 1 drifted",
        "To update images.lock.json, run: bazel run //:images.update -- one",
    ]
    assert workspace.lock.stat() == before
    assert workspace.update("one") == DONE
    assert workspace.check() == DONE


def test_a_tag_that_is_gone_is_drift(workspace: Workspace, capsys: Capture) -> None:
    path = workspace.root / "app/index.json"
    path.write_text(path.read_text().replace('"org.opencontainers.image.ref.name": "1"', '"x": "1"'))
    assert workspace.check() == OUT_OF_DATE
    printed = capsys.readouterr()
    assert "drifted: the registry does not have the tag any more" in printed.out
    assert "run:" not in printed.err  # an update would fail, too


def test_a_digest_that_is_gone_is_worse_than_drift(workspace: Workspace, capsys: Capture) -> None:
    workspace.store.put_image(f"{APP}:1", image("new"))
    lose(workspace, image("1").digest)
    assert workspace.check() == FAILED
    printed = capsys.readouterr()
    assert "gone: the registry does not have what is pinned any more" in printed.out
    assert (
        f'error: //:images: image "one" (oci-layout:app:1) is pinned to {image("1").digest}, '
        f"which the registry does not have any more; the tag is {image('new').digest} now" in printed.err
    )
    assert "run: bazel run //:images.update -- one" in printed.err


def test_what_is_frozen_may_drift_but_not_be_gone(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    workspace.update()
    move(workspace)
    capsys.readouterr()
    assert workspace.check() == DONE
    assert f"skipped: {WHY}" in capsys.readouterr().out
    lose(workspace, image("1").digest)
    assert workspace.check() == FAILED
    printed = capsys.readouterr().err
    assert "now, but it is frozen: upload it again, or take it out of frozen\n" in printed
    assert "bazel run" not in printed


def test_that_a_digest_is_gone_is_said_also_where_the_lock_is_stale(workspace: Workspace, capsys: Capture) -> None:
    lose(workspace, image("1").digest)
    workspace.declare(BOTH, frozen={"one": WHY})
    assert workspace.check() == FAILED
    printed = capsys.readouterr()
    assert [line.split()[-1] for line in printed.out.splitlines()[2:]] == ["unchanged"]
    assert "gone: the registry does not have what is pinned any more" in printed.out
    assert "upload it again, or declare another tag" in printed.err


def test_what_cannot_be_looked_up_is_a_failure_and_the_others_are_still_reported(
    workspace: Workspace, capsys: Capture
) -> None:
    move(workspace)
    (workspace.root / "other").mkdir()
    (workspace.root / "other/file").touch()
    workspace.lock.write_text(workspace.lock.read_text().replace(f'"{APP}:2"', '"oci-layout:other:2"'))
    workspace.declare({"one": f"{APP}:1", "two": "oci-layout:other:2"})
    assert workspace.check("--json") == FAILED
    document = json.loads(capsys.readouterr().out)
    assert [entry["name"] for entry in document["drifted"]] == ["one"]
    assert [(entry["name"], entry["error"]["code"]) for entry in document["failed"]] == [("two", "LAYOUT")]


@pytest.mark.parametrize("spoil", [None, "<<<<<<< ours\n"])
def test_without_a_lock_that_can_be_read_all_is_stale(workspace: Workspace, capsys: Capture, spoil: str | None) -> None:
    workspace.lock.unlink()
    if spoil:
        workspace.lock.write_text(spoil)
    assert workspace.check() == OUT_OF_DATE
    printed = capsys.readouterr()
    assert [line.split()[-1] for line in printed.out.splitlines()[1:]] == ["stale", "stale"]
    assert printed.err.endswith("To update images.lock.json, run: bazel run //:images.update\n")


def test_what_is_locked_but_not_declared_is_stale(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare({"two": f"{APP}:2"})
    assert workspace.check() == OUT_OF_DATE
    assert 'image "one" of images.lock.json is not declared' in capsys.readouterr().err


def test_json_has_each_image_in_the_list_of_its_kind(workspace: Workspace, capsys: Capture) -> None:
    move(workspace)
    assert workspace.check("--json") == OUT_OF_DATE
    document = json.loads(capsys.readouterr().out)
    assert {kind: [entry["name"] for entry in found] for kind, found in document.items() if kind != "lockfile"} == {
        "unchanged": ["two"],
        "skipped": [],
        "stale": [],
        "drifted": ["one"],
        "gone": [],
        "failed": [],
    }


def test_github_gets_a_warning_for_drift_at_the_line_of_the_pin(workspace: Workspace, capsys: Capture) -> None:
    move(workspace)
    assert workspace.check("--github") == OUT_OF_DATE
    line = capsys.readouterr().out.splitlines()[-1]
    number = workspace.lock.read_text().splitlines().index('    "one": {') + 1
    assert line.startswith(f"::warning file=images.lock.json,line={number},title=one%3A drifted::image ")


def test_github_gets_an_error_for_what_is_gone_in_one_line(workspace: Workspace, capsys: Capture) -> None:
    lose(workspace, index("2").digest)
    assert workspace.check("--github") == FAILED
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("::")]
    assert len(lines) == 1
    assert lines[0].startswith("::error file=images.lock.json,line=")


def test_github_and_json_exclude_each_other(workspace: Workspace, capsys: Capture) -> None:
    assert workspace.check("--github", "--json") == USAGE
    assert "not allowed with" in capsys.readouterr().err


def test_junit_has_a_case_for_each_pin(workspace: Workspace) -> None:
    workspace.store.put_image(f"{APP}:3", image("3"))
    workspace.store.put_image(f"{APP}:4", image("4"))
    declared = BOTH | {"three": f"{APP}:3", "four": f"{APP}:4"}
    workspace.declare(declared)
    workspace.update()
    workspace.declare(declared, frozen={"four": "a <b> & \x00"})
    workspace.update("four")
    move(workspace)
    workspace.store.put_image(f"{APP}:4kept", image("4"))
    workspace.store.put_image(f"{APP}:4", image("newer"))
    lose(workspace, image("3").digest)
    assert workspace.check("--junit", "reports.xml") == FAILED
    suite = ET.fromstring((workspace.root / "reports.xml").read_bytes())[0]
    assert suite.attrib == {"name": "//:images", "tests": "4", "failures": "1", "errors": "1", "skipped": "1"}
    cases = {case.attrib["name"]: [(part.tag, part.attrib.get("type")) for part in case] for case in suite}
    assert cases == {
        "one": [("failure", "drifted")],
        "two": [],
        "three": [("error", "gone")],
        "four": [("skipped", None)],
    }


def test_junit_that_cannot_be_written_is_one_sentence_below_the_results(workspace: Workspace, capsys: Capture) -> None:
    move(workspace)
    assert workspace.check("--junit", "nowhere/reports.xml") == FAILED
    printed = capsys.readouterr()
    assert "drifted" in printed.out
    assert printed.err.endswith(
        "error: --junit nowhere/reports.xml cannot be written: No such file or directory; "
        "make its folder, or name another file\n"
    )


def test_junit_can_be_read_whatever_a_registry_calls_its_errors() -> None:
    error = RegistryError(400, errors=[InnerError("A\x01B", "\x02")])
    results = [
        PinResult(name="a", reference="a:1", old=None, new=None, outcome=PinOutcome.FAILED, error=error),
    ]
    case = ET.fromstring(junit_xml("//:images", results))[0][0][0]
    assert case.attrib["type"] == "A\N{REPLACEMENT CHARACTER}B"


def test_github_gets_the_line_also_behind_what_only_python_takes_for_its_end(
    workspace: Workspace, capsys: Capture
) -> None:
    workspace.declare(BOTH, frozen={"one": "one\u2028two\x85three"})
    workspace.update("one")
    lose(workspace, index("2").digest)
    capsys.readouterr()
    assert workspace.check("--github") == FAILED
    number = workspace.lock.read_text().split("\n").index('    "two": {') + 1
    assert f",line={number},title=two" in capsys.readouterr().out


def test_a_target_without_a_lock_file_has_nothing_to_check(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare(BOTH, lockfile="")
    assert workspace.check() == USAGE
    assert "add lockfile" in capsys.readouterr().err
