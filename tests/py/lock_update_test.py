"""``registry lock update``: what moves, what does not, what is said of it, and what is written."""

from __future__ import annotations

import json
import multiprocessing
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from lock_workspace import APP, DONE, FAILED, OUT_OF_DATE, USAGE, Workspace, image, index

if TYPE_CHECKING:
    from multiprocessing.synchronize import Barrier
    from pathlib import Path

Capture = pytest.CaptureFixture[str]
BOTH = {"one": f"{APP}:1", "two": f"{APP}:2"}
WHY = "2.0 breaks the parser"


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> Workspace:
    """A workspace with its lock; both tags have moved since."""
    monkeypatch.chdir(tmp_path)
    workspace = Workspace(tmp_path)
    workspace.update()
    workspace.store.put_image(f"{APP}:1", image("new"))
    workspace.store.put_image(f"{APP}:2", index("new"))
    capsys.readouterr()
    return workspace


def test_what_is_frozen_stays_and_says_why(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    assert workspace.update() == DONE
    printed = capsys.readouterr()
    assert f"one     1      {image('1').digest}" in printed.out
    assert f"skipped: {WHY}" in printed.out
    assert "1 updated, 1 skipped; images.lock.json was written" in printed.err
    assert workspace.locked["one"] == {
        "digest": image("1").digest,
        "frozen": WHY,
        "mediaType": image("1").media_type,
        "reference": f"{APP}:1",
        "size": len(image("1").raw_manifest),
    }
    assert workspace.verify() == DONE


def test_what_is_frozen_stays_even_if_it_is_named(workspace: Workspace) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    assert workspace.update("one") == DONE
    assert workspace.locked["one"]["digest"] == image("1").digest


def test_what_is_not_frozen_any_more_moves_again(workspace: Workspace) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    workspace.update()
    workspace.declare(BOTH)
    assert workspace.verify() == OUT_OF_DATE
    assert workspace.update() == DONE
    assert workspace.locked["one"]["digest"] == image("new").digest
    assert "frozen" not in workspace.locked["one"]


def test_what_is_frozen_is_resolved_when_it_has_no_pin(workspace: Workspace) -> None:
    workspace.lock.unlink()
    workspace.declare(BOTH, frozen={"one": WHY})
    assert workspace.update() == DONE
    assert workspace.locked["one"]["digest"] == image("new").digest
    assert workspace.locked["one"]["frozen"] == WHY


def test_what_is_frozen_is_resolved_when_another_reference_is_declared(workspace: Workspace) -> None:
    workspace.declare({"one": f"{APP}:2", "two": f"{APP}:2"}, frozen={"one": WHY})
    assert workspace.update() == DONE
    assert workspace.locked["one"]["digest"] == index("new").digest


def test_what_is_frozen_keeps_its_pin_under_another_name(workspace: Workspace) -> None:
    workspace.declare({"uno": f"{APP}:1", "two": f"{APP}:2"}, frozen={"uno": WHY})
    assert workspace.update("uno", "one") == DONE
    assert sorted(workspace.locked) == ["two", "uno"]
    assert workspace.locked["uno"]["digest"] == image("1").digest
    assert workspace.locked["two"]["digest"] == index("2").digest


def test_what_is_frozen_is_not_looked_up(workspace: Workspace) -> None:
    workspace.declare({"one": f"{APP}:1", "two": f"{APP}:2"}, frozen={"one": WHY, "two": WHY})
    (workspace.root / "app/index.json").unlink()
    assert workspace.update() == DONE


@pytest.mark.parametrize(
    ("frozen", "complaint"),
    [
        ({"three": WHY}, 'image "three": it is not declared; choose from: one, two; mend it in frozen'),
        ({"one": " "}, 'image "one": no reason is given why it must not move; mend it in frozen'),
    ],
)
def test_what_cannot_be_frozen_is_named(
    workspace: Workspace, capsys: Capture, frozen: dict[str, str], complaint: str
) -> None:
    workspace.declare(BOTH, frozen=frozen)
    assert workspace.update() == USAGE
    assert complaint in capsys.readouterr().err


@pytest.mark.parametrize("name", ["one", "two"])
def test_an_image_that_is_not_declared_any_more_can_be_removed_by_its_name(workspace: Workspace, name: str) -> None:
    kept = BOTH.keys() - {name}
    before = workspace.locked
    workspace.declare({other: BOTH[other] for other in kept})
    assert workspace.update(name) == DONE
    assert workspace.locked == {other: before[other] for other in kept}


def test_the_message_names_the_images_that_are_out_of_date_and_no_others(workspace: Workspace, capsys: Capture) -> None:
    before = workspace.locked
    workspace.declare({"one": f"{APP}:1", "three": f"{APP}:2"})
    assert workspace.verify() == OUT_OF_DATE
    assert capsys.readouterr().err.endswith("run: bazel run //:images.update -- three two\n")
    assert workspace.update("three", "two") == DONE
    assert workspace.verify() == DONE
    assert workspace.locked["one"] == before["one"]


def test_the_table_has_the_name_the_tag_both_digests_and_what_happened(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare({"one": f"{APP}:1", "three": f"{APP}@{image('1').digest}"})
    assert workspace.update() == DONE
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert rows == [
        ["name", "tag", "digest", "result"],
        ["one", "1", image("1").digest, "→", image("new").digest, "updated"],
        ["three", "-", "-", "→", image("1").digest, "added"],
        ["two", "2", index("2").digest, "→", "-", "removed"],
    ]


def test_json_has_each_image_in_one_of_four_lists(workspace: Workspace, capsys: Capture) -> None:
    workspace.store.put_image(f"{APP}:3", image("3"))
    workspace.declare(BOTH | {"three": f"{APP}:3"})
    assert workspace.update("three") == DONE
    workspace.declare(BOTH | {"three": f"{APP}:3", "four": f"{APP}:none"}, frozen={"two": WHY})
    capsys.readouterr()
    assert workspace.update("--json") == FAILED
    document = json.loads(capsys.readouterr().out)
    assert document["lockfile"] == "images.lock.json"
    assert document["written"] is False
    assert document["updated"] == [
        {
            "name": "one",
            "reference": f"{APP}:1",
            "tag": "1",
            "old": image("1").digest,
            "new": image("new").digest,
            "result": "updated",
        }
    ]
    assert [entry["name"] for entry in document["unchanged"]] == ["three"]
    assert [(entry["name"], entry["reason"]) for entry in document["skipped"]] == [("two", WHY)]
    assert [(entry["name"], entry["error"]["code"]) for entry in document["failed"]] == [("four", "LAYOUT_LACKS_IMAGE")]


def test_a_dry_run_writes_nothing_and_says_so(workspace: Workspace, capsys: Capture) -> None:
    before = workspace.lock.read_bytes()
    assert workspace.update("--dry-run", "one") == OUT_OF_DATE
    assert "dry run: 1 updated; images.lock.json would be written" in capsys.readouterr().err
    assert workspace.lock.read_bytes() == before
    assert workspace.update() == DONE
    assert workspace.update("--dry-run") == DONE


def test_a_dry_run_without_a_lock_makes_no_folder(workspace: Workspace) -> None:
    workspace.declare(BOTH, lockfile="locks/images.lock.json")
    assert workspace.update("--dry-run") == OUT_OF_DATE
    assert not (workspace.root / "locks").exists()
    assert workspace.update() == DONE
    assert (workspace.root / "locks/images.lock.json").is_file()


def test_an_image_that_lacks_a_platform_is_refused(workspace: Workspace, capsys: Capture) -> None:
    before = workspace.lock.read_bytes()
    workspace.declare(BOTH, platforms=["linux/arm64/v8", "linux/amd64"])
    assert workspace.update("two") == FAILED
    assert (
        'image "two" (oci-layout:app:2): it is not there for linux/amd64, which platforms asks for; '
        "it is there for linux/arm64/v8" in capsys.readouterr().err
    )
    assert workspace.lock.read_bytes() == before


def test_a_lock_of_an_image_that_lacks_a_platform_is_stale(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare(BOTH, platforms=["linux/amd64"])
    for run in (workspace.verify, workspace.pins):
        assert run() == OUT_OF_DATE
        assert 'image "two" of images.lock.json is not there for linux/amd64' in capsys.readouterr().err
    workspace.declare(BOTH, platforms=["linux/arm64"])
    assert workspace.verify() == DONE


def test_a_platform_that_is_none_is_named(workspace: Workspace, capsys: Capture) -> None:
    workspace.declare(BOTH, platforms=["linux"])
    assert workspace.verify() == USAGE
    assert '"linux" is not a platform' in capsys.readouterr().err


CONFLICT = "<<<<<<< HEAD\n{ours}||||||| base\n{base}=======\n{theirs}>>>>>>> branch\n"


def pin_line(digest: str) -> str:
    return f'      "digest": "{digest}",\n'


def in_conflict(workspace: Workspace, digest: str, ours: str, theirs: str) -> None:
    text = workspace.lock.read_text()
    assert pin_line(digest) in text
    conflict = CONFLICT.format(ours=pin_line(ours), base=pin_line(digest), theirs=pin_line(theirs))
    workspace.lock.write_text(text.replace(pin_line(digest), conflict))


def test_what_is_frozen_survives_a_merge_conflict_elsewhere(workspace: Workspace) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    workspace.update("one")
    in_conflict(workspace, index("2").digest, f"sha256:{'1' * 64}", f"sha256:{'2' * 64}")
    assert workspace.update() == DONE
    assert workspace.locked["one"]["digest"] == image("1").digest
    assert workspace.locked["two"]["digest"] == index("new").digest


@pytest.mark.parametrize("conflict", [True, False])
def test_what_is_frozen_and_cannot_be_read_is_not_moved(
    workspace: Workspace, capsys: Capture, *, conflict: bool
) -> None:
    workspace.declare(BOTH, frozen={"one": WHY})
    workspace.update("one")
    if conflict:
        in_conflict(workspace, image("1").digest, f"sha256:{'1' * 64}", f"sha256:{'2' * 64}")
    else:
        workspace.lock.write_text(workspace.lock.read_text() + "}")
    before = workspace.lock.read_bytes()
    capsys.readouterr()
    assert workspace.update() == USAGE
    printed = capsys.readouterr().err
    assert 'what is frozen must not move, and the pin of "one" cannot be read' in printed
    assert printed.endswith("run: git checkout HEAD -- images.lock.json\n")
    assert workspace.lock.read_bytes() == before


def update_with_others(workspace: Workspace, name: str, start: Barrier) -> None:
    start.wait(timeout=30)
    sys.exit(workspace.update(name))


def test_updates_at_once_lose_nothing(workspace: Workspace) -> None:
    names = [f"image{number}" for number in range(8)]
    for name in names:
        workspace.store.put_image(f"{APP}:{name}", image(name))
    workspace.declare(BOTH | {name: f"{APP}:{name}" for name in names})
    context = multiprocessing.get_context("fork")
    start = context.Barrier(len(names))
    processes = [context.Process(target=update_with_others, args=(workspace, name, start)) for name in names]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
    assert [process.exitcode for process in processes] == [DONE] * len(names)
    assert sorted(workspace.locked) == sorted([*BOTH, *names])
    assert list(workspace.root.glob(".images*")) == []


def test_a_name_that_the_locale_cannot_write_ends_no_run(workspace: Workspace) -> None:
    workspace.declare(BOTH, frozen={"one": "wegen Überlänge → später"})
    command = [sys.executable, "-m", "registry_client", "lock", "update", "--request", "request.json"]
    environment = {"PYTHONPATH": ":".join(sys.path), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, capture_output=True, env=environment, cwd=workspace.root, check=True)
    assert b"skipped: wegen \\xdcberl\\xe4nge" in done.stdout


def test_without_a_lock_a_build_is_refused_where_one_is_required(workspace: Workspace, capsys: Capture) -> None:
    workspace.lock.unlink()
    workspace.declare(BOTH, lockfile="", requireLock=True)
    assert workspace.pins() == USAGE
    assert "--@registry_rules//:require_lock asks for one; add lockfile" in capsys.readouterr().err
    workspace.declare(BOTH, lockfile="", resolveEpoch="today")
    assert workspace.pins() == DONE
